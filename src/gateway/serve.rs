//! The running gateway: listeners, the built-in provider, reloading, draining.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::accept::{self, AcceptLimits, Stop};
use super::lanes::Lanes;
use super::reload::{Change, Watcher};
use super::state::Gateway;
use super::world::{Problems, Setting, World};
use crate::cache::ResponseCache;
use crate::config::Config;
use crate::provider::table;
use crate::sim;
use crate::telemetry::Redactor;

/// What the command line adds to the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration file, where one is named.
    pub config: Option<PathBuf>,
    /// Addresses that stand in for the configured ones.
    pub listen: Vec<SocketAddr>,
    /// A policy that stands in for the configured ones: name and text.
    pub policy: Option<(String, String)>,
    /// The policy file that stands in for the configured ones.
    pub policy_file: Option<PathBuf>,
    /// How fast the built-in provider is; 1 is as its table says, 0 without any delay.
    pub sim_speed: Option<f64>,
}

/// A gateway that listens and is ready to be run.
pub struct Running {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The world it began in.
    pub gateway: Arc<Gateway>,
    listeners: Vec<TcpListener>,
    lanes: Lanes,
    limits: AcceptLimits,
    options: Options,
    config: Config,
    sim: sim::Server,
    redactor: Redactor,
    /// `None` where the system cannot watch files.
    watcher: Option<Watcher>,
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads the configuration with what the command line says laid over it.
///
/// # Errors
/// With everything that is wrong.
pub fn load(options: &Options) -> Result<Config, Problems> {
    let mut config = Config::load(options.config.as_deref(), &env)
        .map_err(|errors| Problems(vec![errors.to_string()]))?;
    if !options.listen.is_empty() {
        config.settings.listen = crate::config::Listen(options.listen.clone());
    }
    if let Some(file) = &options.policy_file {
        config.settings.policy = Some(crate::config::Located::nowhere(file.clone()));
        config.settings.policies = None;
        config.settings.default = None;
    }
    Ok(config)
}

impl Running {
    /// Builds the world and binds the listeners.
    ///
    /// # Errors
    /// With everything that keeps it from starting.
    pub async fn start(
        options: Options,
        config: Config,
        redactor: Redactor,
    ) -> Result<Running, Problems> {
        let problem = |text: String| Problems(vec![text]);
        let sim = sim::Server::bind("127.0.0.1:0")
            .await
            .map_err(|error| problem(format!("the built-in provider cannot listen: {error}")))?;
        let sim = match options.sim_speed {
            Some(speed) => sim.with(sim::Settings { speed, ..sim::Settings::default() }),
            None => sim,
        };
        redactor.set_secrets(secrets(&config));
        // Before the files are looked at, so that no change goes unseen.
        let watcher = Watcher::new(config.watched())
            .inspect_err(|error| tracing::warn!("changes of files cannot be watched: {error}"))
            .ok();
        let world = build(&options, &config, sim.local_addr(), None)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if world.keyring.is_open() {
            tracing::warn!(
                "no keys are configured: whoever can reach this machine's loopback address can use \
                 every provider; add `keys:` to pointsman.yaml"
            );
        }
        let cache =
            config.cache.enabled.then(|| ResponseCache::new(config.cache.max_bytes.as_usize()));
        let limits = AcceptLimits::from(&config.limits);
        let gateway = Gateway::new(world, cache, config.limits.body_bytes.as_usize());
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for address in &config.listen.0 {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                problem(format!(
                    "cannot listen on {address}: {error}; name another address with `--listen`"
                ))
            })?;
            addresses.push(listener.local_addr().unwrap_or(*address));
            listeners.push(listener);
        }
        let lanes = Lanes::start()
            .map_err(|error| problem(format!("threads cannot be started: {error}")))?;
        Ok(Running {
            addresses,
            gateway,
            listeners,
            lanes,
            limits,
            options,
            config,
            sim,
            redactor,
            watcher,
        })
    }

    /// Where the built-in provider listens.
    pub fn sim_address(&self) -> SocketAddr {
        self.sim.local_addr()
    }

    /// Serves until a signal says to stop, then lets what is under way finish.
    pub async fn run(self) {
        let (stop, stopped) = watch::channel(Stop::Run);
        let sim_address = self.sim.local_addr();
        let (sim_stop, sim_stopped) = tokio::sync::oneshot::channel::<()>();
        let sim = tokio::spawn(self.sim.serve(async {
            // An error means that the sender is gone, which is the end as well.
            let _ = sim_stopped.await;
        }));
        let reloading = Reloading {
            gateway: self.gateway.clone(),
            options: self.options,
            config: self.config,
            sim: sim_address,
            redactor: self.redactor,
        };
        let reloading = tokio::spawn(async move {
            if let Some(watcher) = self.watcher {
                reloading.forever(watcher).await;
            }
        });
        tokio::spawn(async move {
            if let Err(error) = accept::signals(stop).await {
                tracing::error!("signals cannot be received: {error}");
            }
        });
        let mut watched = stopped.clone();
        let gateway = self.gateway.clone();
        tokio::spawn(async move {
            if watched.wait_for(|stop| *stop != Stop::Run).await.is_ok() {
                gateway.ready.store(false, Ordering::Relaxed);
                gateway.shadows.end();
                tracing::info!("draining: no new connections, what is under way may finish");
            }
        });
        let serving = self.listeners.into_iter().map(|listener| {
            let router = super::router(self.gateway.clone());
            accept::serve(listener, router, self.limits, Some(&self.lanes), stopped.clone())
        });
        let drained = futures_util::future::join_all(serving).await;
        let cut: usize = drained.iter().map(|drained| drained.cut).sum();
        reloading.abort();
        drop(sim_stop);
        // It drains by itself, in at most two seconds.
        let _ = sim.await;
        if cut > 0 {
            tracing::warn!(cut, "stopped; connections were cut at the end of the drain time");
        } else {
            tracing::info!("stopped");
        }
    }
}

fn build(
    options: &Options,
    config: &Config,
    sim: SocketAddr,
    previous: Option<&World>,
) -> Result<World, Problems> {
    let policy = options.policy.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    World::build(&Setting { config, env: &env, sim: Some(sim), policy }, previous)
}

/// Every secret there is to be kept out of the logs: those of the configuration, and the keys that
/// providers take from the environment.
fn secrets(config: &Config) -> Vec<String> {
    let configured = config.secrets.iter().map(|secret| secret.expose_secret().to_owned());
    let names = table::PROVIDERS.iter().flat_map(|entry| entry.key_env);
    configured.chain(names.filter_map(|name| env(name))).collect()
}

/// What is needed to build the next world.
struct Reloading {
    gateway: Arc<Gateway>,
    options: Options,
    config: Config,
    sim: SocketAddr,
    redactor: Redactor,
}

impl Reloading {
    /// Watches the configuration, the policies and the files of secrets. A change is built and
    /// checked aside and swapped in as a whole; one that does not stand up is refused and the old
    /// world stays.
    async fn forever(mut self, mut watcher: Watcher) {
        let mut watched = self.config.watched();
        loop {
            let why = match watcher.next().await {
                Change::Signal => "signal",
                Change::Files => "change",
            };
            match tokio::task::block_in_place(|| self.rebuild()) {
                Ok((next, world)) => {
                    let policies = world.policies.values();
                    let policies: Vec<String> = policies
                        .map(|program| format!("{}@{}", program.name, program.generation))
                        .collect();
                    if next.listen.0 != self.config.listen.0 {
                        tracing::warn!("`listen` has changed: this takes a restart");
                    }
                    self.gateway.world.store(Arc::new(world));
                    self.config = next;
                    tracing::info!(why, policies = policies.join(" "), "reloaded");
                }
                Err(problems) => {
                    // Secrets of the world that stays must still be kept out of the logs.
                    self.redactor.set_secrets(secrets(&self.config));
                    tracing::error!(
                        why,
                        "reload refused, the old configuration stays:\n{problems}"
                    );
                }
            }
            let now_watched = self.config.watched();
            if now_watched != watched {
                match Watcher::new(now_watched.clone()) {
                    Ok(next) => (watcher, watched) = (next, now_watched),
                    Err(error) => tracing::warn!("changes of files cannot be watched: {error}"),
                }
            }
        }
    }

    fn rebuild(&self) -> Result<(Config, World), Problems> {
        let next = load(&self.options)?;
        self.redactor.set_secrets(secrets(&next));
        let previous = self.gateway.world.load_full();
        let world = build(&self.options, &next, self.sim, Some(&previous))?;
        Ok((next, world))
    }
}
