//! The built-in simulated provider as a server of its own: `cargo run --example sim -- [PORT] [SPEED]`.
//!
//! For tests of whatever talks to a provider. It prints the address it listens on and answers until
//! it is interrupted. PORT is a free one where unsaid; SPEED is how much faster than their table
//! the models are, 0 for no delay at all. What it can do, and how it is made to fail, is told by
//! the documentation of [`pointsman::sim`].

use std::process::ExitCode;

use pointsman::sim::{Server, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "0".to_owned());
    let speed = arguments.next().unwrap_or_else(|| "1".to_owned());
    let (Ok(port), Ok(speed)) = (port.parse::<u16>(), speed.parse::<f64>()) else {
        eprintln!("sim: the arguments are a port and a speed, such as `8090 0`");
        return ExitCode::from(2);
    };
    let server = match Server::bind(("127.0.0.1", port)).await {
        Ok(server) => server.with(Settings { speed, ..Settings::default() }),
        Err(error) => {
            eprintln!("sim: cannot listen on port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("http://{}", server.local_addr());
    server
        .serve(async {
            // Without the signal it runs until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await;
    ExitCode::SUCCESS
}
