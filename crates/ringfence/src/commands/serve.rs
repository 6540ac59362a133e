//! `ringfence serve`: reads the configuration, opens the node, wires the edge, waits for a signal.

mod notices;
mod spans;
mod upkeep;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backtest::decay::Decay;
use desk::Desk;
use event::EventTime;
use gateway::admin;
use gateway::app::{App, Process, Schemas, router};
use gateway::notes::{NoteLevel, Notes};
use gateway::recent::Recent;
use gateway::routes;
use gateway::server;
use gateway::tls::Tls;
use gateway::token::{KeySource, Role, Verifier};
use meters::Registry;
use node::Node;
use node::background::Priority;
use steward::Steward;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use traces::Exporter;
use webhooks::Deliverer;
use webhooks::deliverer::Host;

use self::notices::Following;
use self::spans::Beside;
use self::upkeep::{reload, tell_status};
use super::init::DEFAULT_SCHEMA;
use super::{retrain, starter, token};
use crate::cli::{Cli, ServeArgs};
use crate::config::{Config, DEFAULTS};
use crate::{metrics, show};

/// Every part of the process, each started.
struct Parts {
    runtime: Runtime,
    app: Arc<App>,
    node: Arc<Node>,
    desk: Arc<Desk>,
    steward: Arc<Steward>,
    decay: Arc<Decay>,
    webhooks: Arc<Deliverer>,
    following: Following,
    notes: Arc<Notes>,
    exporter: Option<Arc<Exporter>>,
}

pub fn run(cli: &Cli, args: &ServeArgs) -> Result<ExitCode> {
    if args.print_config {
        std::io::stdout().lock().write_all(DEFAULTS.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(address) = args.listen {
        config.listen.address = address;
    }
    fs::create_dir_all(&cli.data).with_context(|| format!("cannot make {}", cli.data.display()))?;
    let keys = config.keys(&cli.data);
    if matches!(keys, KeySource::Secret(_)) {
        token::ensure_key(&cli.data)?;
    }
    let tls = config.tls().map(Tls::load).transpose()?.map(Arc::new);
    let parts = Parts::start(cli, &config, &keys)?;
    let stopped = parts
        .runtime
        .block_on(parts.serve(cli, &config, keys, tls))?;
    parts.stop(config.stop.drain.0, stopped);
    Ok(ExitCode::SUCCESS)
}

impl Parts {
    fn start(cli: &Cli, config: &Config, keys: &KeySource) -> Result<Parts> {
        let settings = config.gateway(Some(starter::version()?.0))?;
        let verifier = Verifier::new(config.tokens(), keys.read()?);
        let node = Arc::new(Node::open(&cli.data, config.node())?);
        if node.tenants().is_empty() {
            node.create(&cli.tenant, DEFAULT_SCHEMA, starter::furnish)?;
        }
        let notes = Arc::new(Notes::new(config.note_level()?, config.note_form()));
        let tracing = config.traces.start()?;
        let exporter = tracing.as_ref().map(|tracing| tracing.exporter.clone());
        let sampling = tracing.as_ref().map(|tracing| tracing.sampling);
        let recent = Arc::new(Recent::new(sampling));
        let webhooks = Arc::new(deliverer(config, &node, &notes)?);
        let beside = exporter.clone().map(Beside::new).map(Arc::new);
        let steward = Arc::new(steward(cli, config, &node, (&notes, &beside))?);
        let decay = Arc::new(decay(&node, config.backtests.priority, &notes)?);
        let runtime = runtime(config)?;
        let mut meters = Registry::default();
        meters.add(metrics::source(runtime.handle().clone()));
        meters.add(traces::metrics::source(exporter.clone()));
        let process = Process {
            notes: notes.clone(),
            webhooks: webhooks.clone(),
            steward: steward.clone(),
            decay: decay.clone(),
            allocator,
            meters,
            tracing,
            recent: recent.clone(),
        };
        let starter = settings.starter;
        let schemas = Schemas {
            default: DEFAULT_SCHEMA.to_owned(),
            furnish: starter::furnish,
        };
        let told = notes.clone();
        let tell = Box::new(move |text: &str| told.tell(NoteLevel::Warning, || text.to_owned()));
        let desk = Desk::start(node.clone(), webhooks.clone(), tell);
        let desk = Arc::new(desk.context("cannot start the desk's thread")?);
        let behind = (node.clone(), desk.clone(), steward.clone());
        let told = (notes.clone(), recent, beside);
        let following = Following::start(behind, webhooks.clone(), told, starter)?;
        let (owners, analysts) = (node.clone(), desk.clone());
        let app = App::new(owners, analysts, verifier, settings, schemas, process);
        Ok(Parts {
            runtime,
            app: Arc::new(app),
            node,
            desk,
            steward,
            decay,
            webhooks,
            following,
            notes,
            exporter,
        })
    }

    /// Until a signal comes and what was in flight then is over; returns when that was.
    async fn serve(
        &self,
        cli: &Cli,
        config: &Config,
        keys: KeySource,
        tls: Option<Arc<Tls>>,
    ) -> Result<Instant> {
        let (app, drain) = (&self.app, config.stop.drain.0);
        let listener = bind(config.listen.address, "").await?;
        let admin = match config.admin()? {
            None => None,
            Some(address) => Some(bind(address, " (admin.address)").await?),
        };
        let greeting = Greeting {
            address: listener.local_addr()?,
            tls: tls.is_some(),
            admin: admin.as_ref().map(TcpListener::local_addr).transpose()?,
        };
        greet(cli, config, &keys, &greeting, &self.node)?;
        // A child of a server that cannot listen would be an attempt for nothing.
        let started = self.steward.start();
        started.context("cannot start the thread that sees to retrains")?;
        let (stop, stopping) = watch::channel(false);
        if let Some(listener) = admin {
            let (router, stopping) = (router(app, admin::ROUTES), stopping.clone());
            let served = server::serve(listener, router, app.clone(), None, stopping, drain);
            tokio::spawn(served);
        }
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        tokio::spawn(on_signal(interrupt, terminate, app.clone(), stop));
        let every = config.auth.reload.0;
        tokio::spawn(reload(app.clone(), keys, tls.clone(), every));
        tokio::spawn(tell_status(self.node.clone(), self.notes.clone()));
        let router = router(app, routes::ALL);
        server::serve(listener, router, app.clone(), tls, stopping, drain).await;
        Ok(Instant::now())
    }

    /// Within what `drain` leaves since `stopped`.
    fn stop(self, drain: Duration, stopped: Instant) {
        let left = || drain.saturating_sub(stopped.elapsed());
        self.steward.stop();
        self.decay.stop();
        self.following.stop();
        self.desk.stop();
        // Requests in flight had their time; the owners finish what is in their boxes, and write snapshots.
        let done = self.node.drain(left().max(Duration::from_millis(10)));
        self.runtime.shutdown_background();
        self.webhooks.stop(left().min(WEBHOOKS_END));
        let left = left().min(SPANS_END);
        if self.exporter.is_some_and(|exporter| !exporter.stop(left)) {
            let text = || "the collector did not take every span (traces.endpoint)".to_owned();
            self.notes.tell(NoteLevel::Warning, text);
        }
        if !done {
            self.notes.tell(NoteLevel::Warning, || {
                "stopped past its bound (stop.drain): what was acknowledged is on disk, the next start replays more"
                    .to_owned()
            });
        }
    }
}

fn runtime(config: &Config) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.listen.threads)
        .thread_name("ringfence-http")
        .enable_all()
        .build()
        .context("cannot start the threads that speak HTTP")
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}{setting}"))
}

fn deliverer(config: &Config, node: &Arc<Node>, notes: &Arc<Notes>) -> Result<Deliverer> {
    let (node, notes) = (node.clone(), notes.clone());
    let host = Host {
        // A clock before 1970 refuses requests, and what is dated so no receiver believes.
        clock: Box::new(move || node.clock().now().unwrap_or(EventTime::MIN)),
        tell: Box::new(move |text| notes.tell(NoteLevel::Warning, || text)),
    };
    Ok(Deliverer::start(config.webhooks.settings(), host)?)
}

fn steward(
    cli: &Cli,
    config: &Config,
    node: &Arc<Node>,
    (notes, beside): (&Arc<Notes>, &Option<Arc<Beside>>),
) -> Result<Steward> {
    let (data, notes, beside) = (cli.data.clone(), notes.clone(), beside.clone());
    let host = steward::Host {
        child: Box::new(move |tenant, job, exam| {
            retrain::child(&data, tenant, job, exam).map_err(|error| format!("{error:#}"))
        }),
        tell: Box::new(move |text| notes.tell(NoteLevel::Warning, || text.to_owned())),
        stepped: Box::new(move |tenant, job, steps| {
            // Without its order, which names the trace, a job is damaged, and that is told where it is looked at.
            if let (Some(beside), Ok(order)) = (&beside, job.order()) {
                beside.retrain(tenant, order.at, job, steps);
            }
        }),
    };
    let settings = config.retrain.settings()?;
    Ok(Steward::new(node.clone(), settings, host))
}

fn decay(node: &Arc<Node>, priority: Priority, notes: &Arc<Notes>) -> Result<Decay> {
    let notes = notes.clone();
    let tell = Box::new(move |text: &str| notes.tell(NoteLevel::Warning, || text.to_owned()));
    Decay::start(node.clone(), priority, tell).context("cannot start the thread that judges models")
}

/// For attempts at webhooks that are on their way when all else has ended; one that is broken off is made again.
const WEBHOOKS_END: Duration = Duration::from_secs(3);

/// For spans that wait for the collector when all else has ended.
const SPANS_END: Duration = Duration::from_secs(3);

/// What mimalloc counts, as JSON.
fn allocator() -> Option<String> {
    let stats = mimalloc::MiMalloc::stats_json().ok()?;
    Some(stats.to_string_lossy().into_owned())
}

/// Where the process listens.
struct Greeting {
    address: SocketAddr,
    tls: bool,
    admin: Option<SocketAddr>,
}

/// What a person needs to send the first request.
fn greet(
    cli: &Cli,
    config: &Config,
    keys: &KeySource,
    greeting: &Greeting,
    node: &Node,
) -> Result<()> {
    let scheme = if greeting.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}", greeting.address);
    let admin = greeting.admin.map(|address| format!("http://{address}"));
    let names: Vec<String> = node.tenants().iter().map(|it| it.name.clone()).collect();
    if cli.json {
        return Ok(show::json(
            &serde_json::json!({ "url": url, "admin": admin, "tenants": names }),
        )?);
    }
    let mut out = show::out();
    let shown = names.join(", ");
    writeln!(
        out,
        "listening on {url}; tenants: {shown}; data in {}",
        cli.data.display()
    )?;
    if let Some(admin) = admin {
        writeln!(out, "admin listener on {admin}")?;
    }
    let KeySource::Secret(path) = keys else {
        return Ok(out.flush()?);
    };
    let secret = fs::read(path)?;
    let Some(tenant) = names
        .iter()
        .find(|name| **name == cli.tenant)
        .or(names.first())
    else {
        return Ok(out.flush()?);
    };
    let roles = vec![Role::Decide, Role::Label, Role::Analyst, Role::Engineer];
    let token = token::sign(&secret, config, tenant, roles, 24)?;
    let now = node::clock::now()?;
    writeln!(
        out,
        "development key in {}: for trying out, not for production (auth.jwks)\n\n\
         curl -s {url}/v1/decisions -H 'X-Tenant-Id: {tenant}' \\\n  \
         -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n  \
         -d '{{\"event_id\":\"try-1\",\"event_type\":\"payment\",\"event_timestamp\":\"{now}\",\
         \"account\":\"ann\",\"merchant\":\"shop\",\"device\":\"phone\",\"amount\":\"12.50\"}}'\n",
        path.display()
    )?;
    Ok(out.flush()?)
}

/// The first signal stops accepting; a second one ends the process where it stands.
async fn on_signal(
    mut interrupt: Signal,
    mut terminate: Signal,
    app: Arc<App>,
    stop: watch::Sender<bool>,
) {
    either(&mut interrupt, &mut terminate).await;
    app.drain();
    stop.send_replace(true);
    either(&mut interrupt, &mut terminate).await;
    std::process::exit(EXIT_SECOND_SIGNAL);
}

/// As a shell counts an interrupt: 128 + 2.
const EXIT_SECOND_SIGNAL: i32 = 130;

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
