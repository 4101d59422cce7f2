// Runs the official Rust client. On standard input one call per line, {"id", "method", "args"};
// on standard output one answer per line, {"id", "value"} or {"id", "error"}. The same calls as in
// ../js/node_host.mjs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use buttplug_client::connector::ButtplugRemoteClientConnector;
use buttplug_client::device::{
    ButtplugClientDevice, ClientDeviceCommandValue as Value, ClientDeviceOutputCommand as Output,
};
use buttplug_client::{ButtplugClient, ButtplugClientEvent};
use buttplug_transport_websocket_tungstenite::ButtplugWebsocketClientTransport as Transport;
use futures::StreamExt;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

type Answer = Result<Json, String>;

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn named(client: &ButtplugClient, args: &Json) -> Result<ButtplugClientDevice, String> {
    let name = args[0].as_str().ok_or("no name")?;
    let mut devices = client.devices().into_values();
    devices.find(|device| device.name() == name).ok_or(format!("no {name}"))
}

fn output(args: &Json) -> Result<Output, String> {
    let share = Value::Percent(args[2]["share"].as_f64().ok_or("no share")?);
    let steps = Value::Steps(args[2]["steps"].as_i64().ok_or("no steps")? as i32);
    let duration = args[2]["duration"].as_u64().unwrap_or(0) as u32;
    Ok(match args[1].as_str().ok_or("no type")? {
        "Vibrate" => Output::Vibrate(share),
        "Rotate" => Output::Rotate(steps),
        "Oscillate" => Output::Oscillate(share),
        "Constrict" => Output::Constrict(share),
        "Temperature" => Output::Temperature(share),
        "Led" => Output::Led(share),
        "Spray" => Output::Spray(share),
        "Position" => Output::Position(share),
        "HwPositionWithDuration" => Output::HwPositionWithDuration(share, duration),
        other => return Err(format!("no output {other}")),
    })
}

async fn call(client: &ButtplugClient, lost: &AtomicBool, method: &str, args: &Json) -> Answer {
    match method {
        "connect" => {
            let url = args[0].as_str().ok_or("no url")?;
            let transport = Transport::new_insecure_connector(url);
            let connector = ButtplugRemoteClientConnector::<Transport>::new(transport);
            client.connect(connector).await.map_err(said)?;
        }
        "startScanning" => client.start_scanning().await.map_err(said)?,
        "stopScanning" => client.stop_scanning().await.map_err(said)?,
        "names" => {
            let devices = client.devices();
            let names: Vec<_> = devices.values().map(|device| device.name().clone()).collect();
            return Ok(json!(names));
        }
        "output" => named(client, args)?.run_output(&output(args)?).await.map_err(said)?,
        "battery" => {
            let percent = named(client, args)?.battery().await.map_err(said)?;
            return Ok(json!(f64::from(percent) / 100.0));
        }
        "stop" => named(client, args)?.stop().await.map_err(said)?,
        "stopAll" => client.stop_all_devices().await.map_err(said)?,
        "disconnect" => client.disconnect().await.map_err(said)?,
        "lost" => return Ok(json!(lost.load(Ordering::SeqCst))),
        "connected" => return Ok(json!(client.connected())),
        other => return Err(format!("no method {other}")),
    }
    Ok(Json::Null)
}

#[tokio::main]
async fn main() {
    let client = ButtplugClient::new("official Rust");
    let lost = Arc::new(AtomicBool::new(false));
    let mut events = client.event_stream();
    let noted = lost.clone();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let ButtplugClientEvent::ServerDisconnect = event {
                noted.store(true, Ordering::SeqCst);
            }
        }
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stdout();
    while let Ok(Some(line)) = lines.next_line().await {
        let asked: Json = serde_json::from_str(&line).expect("a call is JSON");
        let method = asked["method"].as_str().unwrap_or_default();
        let answer = match call(&client, &lost, method, &asked["args"]).await {
            Ok(value) => json!({"id": asked["id"], "value": value}),
            Err(error) => json!({"id": asked["id"], "error": error}),
        };
        let text = format!("{answer}\n");
        out.write_all(text.as_bytes()).await.expect("somebody reads");
        out.flush().await.expect("somebody reads");
    }
}
