//! The providers that are configured, and the HTTP clients that reach them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::ids::ProviderId;
use crate::provider::client::ClientSettings;
use crate::provider::{Client, Provider, TransportError};

/// Everybody who can be asked.
pub struct Endpoints {
    providers: HashMap<ProviderId, Provider>,
    clients: Clients,
}

impl Endpoints {
    /// These providers, reached through these clients.
    pub fn new(providers: Vec<Provider>, clients: Clients) -> Endpoints {
        let providers =
            providers.into_iter().map(|provider| (provider.id().clone(), provider)).collect();
        Endpoints { providers, clients }
    }

    /// The provider with this id, if it is configured.
    pub fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.get(id)
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &ProviderId> {
        self.providers.keys()
    }

    /// The client whose connections are made within this time.
    ///
    /// # Errors
    /// When a new client is needed and cannot be set up.
    pub fn client(&self, connect: Duration) -> Result<Client, TransportError> {
        self.clients.within(connect)
    }
}

/// One HTTP client, with its own pool of connections, per time limit for connecting: the limit
/// belongs to the connector, and nearly always there is only one.
#[derive(Clone)]
pub struct Clients {
    usual: (Duration, Client),
    others: std::sync::Arc<Mutex<HashMap<Duration, Client>>>,
}

/// More limits than anybody writes into a policy.
const MOST_CLIENTS: usize = 32;

impl Clients {
    /// The usual client; others are made when a policy asks for them.
    ///
    /// # Errors
    /// When the system has no usable TLS roots.
    pub fn new(connect: Duration) -> Result<Clients, TransportError> {
        let usual = (connect, build(connect)?);
        Ok(Clients { usual, others: Default::default() })
    }

    fn within(&self, connect: Duration) -> Result<Client, TransportError> {
        if connect == self.usual.0 {
            return Ok(self.usual.1.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = others.get(&connect) {
            return Ok(client.clone());
        }
        if others.len() >= MOST_CLIENTS {
            return Ok(self.usual.1.clone());
        }
        let client = build(connect)?;
        others.insert(connect, client.clone());
        Ok(client)
    }
}

fn build(connect_timeout: Duration) -> Result<Client, TransportError> {
    Client::new(&ClientSettings { connect_timeout, ..ClientSettings::default() })
}
