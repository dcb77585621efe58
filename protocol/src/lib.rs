//! The DC net itself: superpositions of smart-meter readings whose pads cancel in the sum.
//!
//! Everything here is pure. No function reads a clock, a file, a socket or the operating system's
//! randomness; time, randomness and persisted state come in as arguments, and what is to be sent
//! or stored goes out as data. The specification is `docs/spec/protocol.md`; the words are those of
//! `docs/glossary.md`.
//!
//! Two state machines make a net: [`gateway::Gateway`] at each member, [`provider::Provider`] once.

pub mod certificate;
pub mod codec;
pub mod correction;
pub mod descriptor;
pub mod envelope;
pub mod frame;
pub mod gateway;
pub mod key_agreement;
pub mod key_graph;
pub mod membership;
pub mod message;
pub mod names;
pub mod notification;
pub mod pad;
pub mod provider;
pub mod round;
pub mod signature;
pub mod superposition;
pub mod word;
