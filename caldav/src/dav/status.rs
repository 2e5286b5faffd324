//! Status lines within answers. RFC 4918 §11, §14.28; RFC 9110 §15.

/// A status of HTTP with its reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status(u16);

impl Status {
    /// 200.
    pub const OK: Self = Self(200);
    /// 201.
    pub const CREATED: Self = Self(201);
    /// 204.
    pub const NO_CONTENT: Self = Self(204);
    /// 400.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403.
    pub const FORBIDDEN: Self = Self(403);
    /// 404.
    pub const NOT_FOUND: Self = Self(404);
    /// 405.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 409.
    pub const CONFLICT: Self = Self(409);
    /// 412.
    pub const PRECONDITION_FAILED: Self = Self(412);
    /// 413.
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// 415.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415);
    /// 423. RFC 4918 §11.3.
    pub const LOCKED: Self = Self(423);
    /// 424: refused since another part of the request was. RFC 4918 §11.4.
    pub const FAILED_DEPENDENCY: Self = Self(424);
    /// 500.
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 507. RFC 4918 §11.5; also how a truncated answer says so. RFC 6578 §3.6.
    pub const INSUFFICIENT_STORAGE: Self = Self(507);

    /// Its number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// The line in a status element. RFC 4918 §14.28.
    pub fn line(self) -> &'static str {
        match self.0 {
            200 => "HTTP/1.1 200 OK",
            201 => "HTTP/1.1 201 Created",
            204 => "HTTP/1.1 204 No Content",
            400 => "HTTP/1.1 400 Bad Request",
            401 => "HTTP/1.1 401 Unauthorized",
            403 => "HTTP/1.1 403 Forbidden",
            404 => "HTTP/1.1 404 Not Found",
            405 => "HTTP/1.1 405 Method Not Allowed",
            409 => "HTTP/1.1 409 Conflict",
            412 => "HTTP/1.1 412 Precondition Failed",
            413 => "HTTP/1.1 413 Content Too Large",
            415 => "HTTP/1.1 415 Unsupported Media Type",
            423 => "HTTP/1.1 423 Locked",
            424 => "HTTP/1.1 424 Failed Dependency",
            503 => "HTTP/1.1 503 Service Unavailable",
            507 => "HTTP/1.1 507 Insufficient Storage",
            _ => "HTTP/1.1 500 Internal Server Error",
        }
    }
}
