//! The providers that are configured, and the HTTP clients that reach them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::ProviderId;
use crate::provider::client::ClientSettings;
use crate::provider::{Client, Provider, TransportError};

/// Everybody who can be asked.
pub struct Endpoints {
    endpoints: HashMap<ProviderId, Endpoint>,
    clients: Clients,
}

/// One provider with all its keys.
pub struct Endpoint {
    /// The same provider, once per key.
    keys: Vec<(Provider, Mutex<Option<Instant>>)>,
}

impl Endpoint {
    /// The provider with the first key that is not put aside, and that key's number; with the
    /// first key of all where every one is.
    pub(super) fn pick(&self) -> (usize, &Provider) {
        let now = Instant::now();
        let fit = self.keys.iter().position(|(_, aside)| {
            aside.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|until| until <= now)
        });
        let index = fit.unwrap_or(0);
        (index, &self.keys[index].0)
    }

    /// How many keys there are besides the one in use: so often may a request move on to the next,
    /// lest keys that are put aside for moments are tried in turn for ever.
    pub(super) fn other_keys(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Puts a key aside for a while; says whether another one can be used meanwhile.
    pub(super) fn put_aside(&self, key: usize, time: Duration) -> bool {
        let mut aside = self.keys[key].1.lock().unwrap_or_else(PoisonError::into_inner);
        *aside = Some(Instant::now() + time);
        drop(aside);
        self.keys.len() > 1 && self.pick().0 != key && {
            let (next, _) = self.pick();
            let aside = self.keys[next].1.lock().unwrap_or_else(PoisonError::into_inner);
            aside.is_none_or(|until| until <= Instant::now())
        }
    }
}

impl Endpoints {
    /// These providers, reached through these clients. Several of one id are one provider with
    /// several keys.
    pub fn new(providers: Vec<Provider>, clients: Clients) -> Endpoints {
        let mut endpoints: HashMap<ProviderId, Endpoint> = HashMap::new();
        for provider in providers {
            let endpoint = endpoints
                .entry(provider.id().clone())
                .or_insert_with(|| Endpoint { keys: Vec::new() });
            endpoint.keys.push((provider, Mutex::new(None)));
        }
        Endpoints { endpoints, clients }
    }

    /// The provider with this id, if it is configured.
    pub(super) fn endpoint(&self, id: &ProviderId) -> Option<&Endpoint> {
        self.endpoints.get(id)
    }

    /// Whether the provider is configured.
    pub fn has(&self, id: &ProviderId) -> bool {
        self.endpoints.contains_key(id)
    }

    /// The HTTP clients, to be taken over by the next generation.
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &ProviderId> {
        self.endpoints.keys()
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
