//! Which door a connection goes to.

use std::sync::Arc;

use axum::Router;

use crate::doors::dav;
use crate::doors::eas::{self, Eas};
use crate::doors::{admin, imap, smtp};
use crate::net::{Http, Listener, Peer, Stream, Tls};
use crate::services::Services;

/// The doors of one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Doors(Arc<Inner>);

struct Inner {
    services: Arc<Services>,
    http: Http,
    https: Http,
    smtp: Arc<smtp::Smtp>,
    imap: Arc<imap::Imap>,
}

impl Doors {
    pub(super) fn new(services: &Arc<Services>, tls: &Tls) -> Self {
        let http = |router: Router| {
            let config = &services.config;
            Http::new(router, &config.limits, config.eas.request_max, services.shutdown.clone())
        };
        let door = Eas::new(
            services.mailbox.clone(),
            services.directory.clone(),
            services.delivery.clone(),
            services.config.clone(),
            services.shutdown.clone(),
            services.metrics.clone(),
        );
        let public = eas::router(Arc::new(door)).merge(dav::router(services));
        Self(Arc::new(Inner {
            services: services.clone(),
            // Figures and health are for the machine's own neighbours, never for the internet.
            http: http(public.clone().merge(admin::router(services))),
            https: http(public),
            smtp: Arc::new(smtp::Smtp::new(services, Some(tls))),
            imap: Arc::new(imap::Imap::new(services, tls)),
        }))
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(self, stream: Stream, peer: Peer) {
        let _open = self.0.services.metrics.connection(peer.listener.name());
        match peer.listener {
            Listener::Http => self.0.http.serve(stream, peer).await,
            Listener::Https => self.0.https.serve(stream, peer).await,
            Listener::Smtp | Listener::Submission | Listener::Lmtp => {
                if let Some(mode) = smtp::Mode::of(peer.listener) {
                    smtp::serve(self.0.smtp.clone(), mode, stream, peer).await;
                }
            }
            Listener::Imap | Listener::Imaps => {
                imap::serve(self.0.imap.clone(), stream, peer).await;
            }
        }
    }
}
