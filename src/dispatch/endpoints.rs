//! The providers that are configured, and the HTTP clients that reach them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
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

/// One HTTP client, with its own pool of connections, per thread and per time limit for connecting:
/// the limit belongs to the connector, and nearly always there is only one; and a connection is driven
/// by the thread that opened it, so that another thread's request would have to be handed over to it.
#[derive(Clone)]
pub struct Clients {
    usual: Duration,
    built: std::sync::Arc<Mutex<HashMap<(ThreadId, Duration), Client>>>,
}

/// More threads and limits than there are processors and anybody writes into a policy.
const MOST_CLIENTS: usize = 1_024;

impl Clients {
    /// Clients that usually have this long to connect.
    ///
    /// # Errors
    /// When the system has no usable TLS roots.
    pub fn new(connect: Duration) -> Result<Clients, TransportError> {
        // Whatever is wrong shows now; the threads that serve make their own.
        build(connect)?;
        Ok(Clients { usual: connect, built: Default::default() })
    }

    fn within(&self, connect: Duration) -> Result<Client, TransportError> {
        let thread = std::thread::current().id();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = built.get(&(thread, connect)) {
            return Ok(client.clone());
        }
        let usual = built.get(&(thread, self.usual)).filter(|_| built.len() >= MOST_CLIENTS);
        if let Some(client) = usual {
            return Ok(client.clone());
        }
        let client = build(connect)?;
        built.insert((thread, connect), client.clone());
        Ok(client)
    }
}

fn build(connect_timeout: Duration) -> Result<Client, TransportError> {
    Client::new(&ClientSettings { connect_timeout, ..ClientSettings::default() })
}
