//! What the process says about itself: log lines, kept clear of secrets, and figures.

pub mod metrics;
mod redact;
mod writer;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogConfig, LogFormat};
pub use redact::{Redactor, redact};
pub use writer::Redacting;

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error(
        "`{directives}` is not a log level (error, warn, info, debug, trace) or filter: {reason}"
    )]
    Filter {
        /// What was given by `log.level` or `POINTSMAN_LOG`.
        directives: String,
        /// What the parser says.
        reason: String,
    },
    /// The log file cannot be opened.
    #[error("cannot write the log to {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// There is a log already.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the process: to standard error, or to the file the configuration names.
/// `directives` (`POINTSMAN_LOG`) go before the configured level. Panics are logged too.
///
/// # Errors
/// A filter that is none, a file that cannot be opened, a second call.
pub fn init(
    config: &LogConfig,
    directives: Option<&str>,
    redactor: Redactor,
) -> Result<(), TelemetryError> {
    let (writer, colours) = match &config.file {
        Some(path) => {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|reason| TelemetryError::File { path: path.clone(), reason })?;
            (BoxMakeWriter::new(file), false)
        }
        None => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            (BoxMakeWriter::new(io::stderr), wanted && io::stderr().is_terminal())
        }
    };
    let subscriber = subscriber(config, directives, redactor, writer, colours)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    // The standard hook would print the panic's message past the redaction.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("(no message)");
        tracing::error!(target: "pointsman::panic", place, "panic: {message}");
    }));
    Ok(())
}

fn subscriber<W>(
    config: &LogConfig,
    directives: Option<&str>,
    redactor: Redactor,
    writer: W,
    colours: bool,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let directives = directives.filter(|text| !text.trim().is_empty()).unwrap_or(&config.level);
    let filter = EnvFilter::try_new(directives).map_err(|error| TelemetryError::Filter {
        directives: directives.to_owned(),
        reason: error.to_string(),
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Redacting::new(writer, redactor))
        .with_ansi(colours);
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(format: LogFormat, colours: bool, redactor: Redactor, write: impl FnOnce()) -> String {
        let paper = Paper::default();
        let sink = paper.clone();
        let config = LogConfig { format, ..LogConfig::default() };
        let subscriber =
            subscriber(&config, Some("debug"), redactor, move || sink.clone(), colours).unwrap();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_form_of_line_lets_a_secret_through() {
        for (format, colours) in
            [(LogFormat::Text, false), (LogFormat::Text, true), (LogFormat::Json, false)]
        {
            let redactor = Redactor::with_secrets(["correct horse \"battery\" staple"]);
            let text = log(format, colours, redactor, || {
                let mut headers = http::HeaderMap::new();
                headers.insert("x-api-key", http::HeaderValue::from_static("canary0-in-a-header"));
                let lines = "first\nsk-canary1aaaaaaaaaaaaaaa\tsk-canary2aaaaaaaaaaaaaaa";
                let span = tracing::info_span!("call", authorization = "Bearer canary3-3333");
                let _in = span.enter();
                tracing::info!(api_key = "canary4-4444", key = %"sk-canary5aaaaaaaaaaaaaaa", "{lines}");
                tracing::warn!(?headers, "refused at https://me:canary6@host/v1?key=canary7-7");
                tracing::error!("correct horse \"battery\" staple");
                tracing::error!(text = "correct horse \"battery\" staple", "again");
            });
            assert!(!text.contains("canary"), "{text}");
            assert!(!text.contains("staple"), "{text}");
            assert_eq!(text.matches("refused at https://").count(), 1, "{text}");
            if format == LogFormat::Json {
                for line in text.lines() {
                    serde_json::from_str::<serde_json::Value>(line).expect("still JSON");
                }
            }
        }
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let redactor = Redactor::default();
        let broken =
            subscriber(&LogConfig::default(), Some("x=y=z"), redactor, io::sink, false).err();
        assert!(broken.unwrap().to_string().contains("x=y=z"));
    }
}
