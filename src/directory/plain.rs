//! A name and a password as clients send them: the PLAIN message, and what either may be.

use std::fmt;

/// A name and a password that a client gave, of a form that can be right.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainLogin {
    /// Without control characters, and not empty.
    pub user: String,
    /// Octets without NUL, and not empty.
    pub password: Vec<u8>,
}

/// Why octets are no [`PlainLogin`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlainError {
    /// They are no PLAIN message.
    Syntax,
    /// Nobody has such a name or password, or one user asks to act for another, which nobody may here.
    /// To be answered as a wrong password is.
    Refused,
}

impl PlainLogin {
    /// Reads a PLAIN message: `[authzid] NUL authcid NUL passwd`. RFC 4616 §2.
    ///
    /// # Errors
    /// See [`PlainError`].
    pub fn parse(message: &[u8]) -> Result<Self, PlainError> {
        let mut parts = message.split(|byte| *byte == 0);
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PlainError::Syntax);
        };
        if !authzid.is_empty() && authzid != authcid {
            return Err(PlainError::Refused);
        }
        Self::new(authcid, password)
    }

    /// A name and a password that came apart.
    ///
    /// # Errors
    /// [`PlainError::Refused`] when one of them is empty, the name is no UTF-8 or has control characters,
    /// or the password has NULs.
    pub fn new(user: &[u8], password: &[u8]) -> Result<Self, PlainError> {
        let user = std::str::from_utf8(user).map_err(|_| PlainError::Refused)?;
        let is_name = !user.is_empty() && !user.contains(char::is_control);
        let is_password = !password.is_empty() && !password.contains(&0);
        if !is_name || !is_password {
            return Err(PlainError::Refused);
        }
        Ok(Self { user: user.to_owned(), password: password.to_vec() })
    }
}

impl fmt::Debug for PlainLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let login = |user: &str, password: &[u8]| {
            Ok(PlainLogin { user: user.to_owned(), password: password.to_vec() })
        };
        assert_eq!(PlainLogin::parse(b"\0anna\0secret"), login("anna", b"secret"));
        assert_eq!(PlainLogin::parse(b"anna\0anna\0secret"), login("anna", b"secret"));
        assert_eq!(PlainLogin::parse("\0j\u{f6}rg\0p w".as_bytes()), login("j\u{f6}rg", b"p w"));
        assert_eq!(PlainLogin::parse(b"\0anna\0\xff"), login("anna", b"\xff"));
        for bad in [&b""[..], b"anna", b"anna\0secret", b"\0a\0b\0c", b"\0anna\0secret\0"] {
            assert_eq!(PlainLogin::parse(bad), Err(PlainError::Syntax), "{bad:?}");
        }
        let names: [&[u8]; 6] =
            [b"\0\0secret", b"\0anna\0", b"berta\0anna\0x", b"\0\xff\0x", b"\0a\nb\0x", b"\0a\x7f\0x"];
        for bad in names {
            assert_eq!(PlainLogin::parse(bad), Err(PlainError::Refused), "{bad:?}");
        }
        assert_eq!(PlainLogin::new(b"anna", b"a\0b"), Err(PlainError::Refused));
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = format!("{:?}", PlainLogin::parse(b"\0anna\0secret"));
        assert!(shown.contains("anna") && !shown.contains("secret") && !shown.contains("115"));
    }
}
