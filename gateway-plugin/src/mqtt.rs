//! The MQTT client, behind one door: how a broker is addressed.

use std::time::Duration;

use dcnet_profiles::mqtt::MqttAddress;
use rumqttc::MqttOptions;
use zeroize::Zeroizing;

use crate::config::{PasswordError, password};

/// Seconds between two signs of life of an idle connection.
const KEEP_ALIVE: u16 = 30;
/// Largest message taken, in bytes.
const MAX_MESSAGE: u32 = 64 * 1024;
/// Time for a connection to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options for a connection to `broker`. `purpose` tells the connections of this process apart:
/// clients of one name throw each other out.
///
/// # Errors
///
/// The password cannot be read, or others can read it.
pub(crate) fn options(broker: &MqttAddress, purpose: &str) -> Result<MqttOptions, PasswordError> {
    let name = format!("dcnet-gateway-{purpose}-{}", std::process::id());
    let mut options = MqttOptions::new(name, (broker.host.clone(), broker.port));
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_connect_timeout(PATIENCE)
        .set_max_packet_size(Some(MAX_MESSAGE));
    if let Some(user) = &broker.user {
        let password = match &broker.password_file {
            None => Zeroizing::new(String::new()),
            Some(file) => password(file)?,
        };
        options.set_credentials(user.clone(), password.as_bytes().to_vec());
    }
    Ok(options)
}
