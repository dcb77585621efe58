//! Meter, evaluation and communication profiles: one YAML file per gateway, strictly read; the slot
//! layout that both ends compute from it; and the evaluation of register values into readings.
//!
//! The vocabulary is that of BSI TR-03109-1: a *meter profile* names the device and how it is read,
//! an *evaluation profile* what is computed from its registers for a net (TAF-7: one value per
//! interval) and *tariffs* what is kept on the gateway for the bill (TAF-1, 2, 6), a *communication profile* the peer and the certificates.
//!
//! This crate is the only bridge between `dcnet-obis` and `dcnet-protocol`. It opens files (the
//! profile itself), nothing else: no clock, no network, no devices.

pub mod advice;
pub mod communication;
pub mod error;
pub mod evaluation;
pub mod export;
pub mod home;
pub mod layout;
pub mod meter;
pub mod modbus;
pub mod mqtt;
pub mod ports;
pub mod profile;
pub mod schema;
pub mod tariff;
mod text;
mod yaml;

pub use communication::CommunicationProfile;
pub use error::ProfileError;
pub use evaluation::{EvaluationProfile, Slot};
pub use meter::MeterProfile;
pub use profile::Profile;
pub use tariff::TariffProfile;
