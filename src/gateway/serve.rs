//! The running gateway: listeners, the built-in provider, reloading, draining.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::accept::{self, AcceptLimits, Stop};
use super::admin;
use super::admin::versions::Versions;
use super::decision_log::DecisionLog;
use super::lanes::Lanes;
use super::reload::{Change, Watcher};
use super::state::{Fixtures, Gateway};
use super::world::{Problems, Setting, World};
use crate::cache::ResponseCache;
use crate::config::Config;
use crate::provider::table;
use crate::sim;
use crate::telemetry::Redactor;

/// How long the end may wait for the last lines of the decision log.
const LAST_LINES: Duration = Duration::from_secs(5);

/// What the command line adds to the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration file, where one is named.
    pub config: Option<PathBuf>,
    /// Addresses that stand in for the configured ones.
    pub listen: Vec<SocketAddr>,
    /// Where operators connect, instead of where the configuration says.
    pub admin: Vec<SocketAddr>,
    /// The file of the decision log, instead of the configured one.
    pub decision_log: Option<PathBuf>,
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
    /// Where operators connect.
    pub admin_addresses: Vec<SocketAddr>,
    /// The world it began in.
    pub gateway: Arc<Gateway>,
    listeners: Vec<TcpListener>,
    admin_listeners: Vec<TcpListener>,
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
    if !options.admin.is_empty() {
        let admin = config.settings.admin.get_or_insert_default();
        admin.listen = crate::config::Listen(options.admin.clone());
        if let Err(error) = admin.is_guarded() {
            return Err(Problems(vec![error.to_string()]));
        }
    }
    if let Some(file) = &options.decision_log {
        config.settings.decision_log = Some(file.clone());
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
        let versions = config.admin.is_some().then(|| Versions::at(&config.state_dir()));
        if let Some(versions) = &versions {
            admin::note_loaded(versions, &world);
        }
        let body_limit = config.limits.body_bytes.as_usize();
        let decision_log = match &config.decision_log {
            Some(path) => Some(DecisionLog::open(path).map_err(|error| {
                problem(format!("cannot write the decision log to {}: {error}", path.display()))
            })?),
            None => None,
        };
        let fixtures = Fixtures { cache, body_limit, versions, decision_log };
        let gateway = Gateway::new(world, fixtures);
        let (listeners, addresses) = bind(&config.listen.0, "--listen").await?;
        let operators = config.admin.as_ref().map_or(&[][..], |admin| &admin.listen.0);
        let (admin_listeners, admin_addresses) = bind(operators, "--admin").await?;
        let lanes = Lanes::start()
            .map_err(|error| problem(format!("threads cannot be started: {error}")))?;
        Ok(Running {
            addresses,
            admin_addresses,
            gateway,
            listeners,
            admin_listeners,
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
        let token = self.config.admin.as_ref().and_then(|admin| admin.token.clone());
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
        // Not on the lanes, so that it answers whatever load they have.
        let operators = self.admin_listeners.into_iter().map(|listener| {
            let router = admin::router(self.gateway.clone(), token.as_ref());
            accept::serve(listener, router, self.limits, None, stopped.clone())
        });
        let operators = tokio::spawn(futures_util::future::join_all(operators));
        let drained = futures_util::future::join_all(serving).await;
        operators.abort();
        if let Some(log) = &self.gateway.decision_log {
            tokio::task::block_in_place(|| log.flush(LAST_LINES));
        }
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

/// Binds listeners; with them, where they listen.
async fn bind(
    wanted: &[SocketAddr],
    option: &str,
) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Problems> {
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    for address in wanted {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Problems(vec![format!(
                "cannot listen on {address}: {error}; name another address with `{option}`"
            )])
        })?;
        addresses.push(listener.local_addr().unwrap_or(*address));
        listeners.push(listener);
    }
    Ok((listeners, addresses))
}

/// Where operators connect, and with which token.
fn operators(config: &Config) -> Option<(&[SocketAddr], Option<&str>)> {
    let admin = config.admin.as_ref()?;
    Some((&admin.listen.0, admin.token.as_ref().map(ExposeSecret::expose_secret)))
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
            let gateway = self.gateway.clone();
            let taken_over = tokio::task::block_in_place(|| {
                let _one_at_a_time =
                    gateway.changing.lock().unwrap_or_else(PoisonError::into_inner);
                let (next, world) = self.rebuild()?;
                if let Some(versions) = &gateway.versions {
                    admin::note_loaded(versions, &world);
                }
                gateway.enter(world);
                Ok::<Config, Problems>(next)
            });
            gateway.metrics.reloaded(taken_over.is_ok(), jiff::Timestamp::now());
            match taken_over {
                Ok(next) => {
                    let world = gateway.world.load();
                    let policies = world.policies.values();
                    let policies: Vec<String> = policies
                        .map(|program| format!("{}@{}", program.name, program.generation))
                        .collect();
                    if next.listen.0 != self.config.listen.0 {
                        tracing::warn!("`listen` has changed: this takes a restart");
                    }
                    if operators(&next) != operators(&self.config) {
                        tracing::warn!("`admin` has changed: this takes a restart");
                    }
                    if next.decision_log != self.config.decision_log {
                        tracing::warn!("`decision_log` has changed: this takes a restart");
                    }
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
