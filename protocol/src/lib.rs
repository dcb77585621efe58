//! The DC net itself: superpositions of smart-meter readings whose pads cancel in the sum.
//!
//! Everything here is pure. No function reads a clock, a file, a socket or the operating system's
//! randomness; time, randomness and persisted state come in as arguments, and what is to be sent
//! or stored goes out as data. The specification is `docs/spec/protocol.md`; the words are those of
//! `docs/glossary.md`.
//!
//! # What does not compile
//!
//! Names and counters do not pass for each other:
//!
//! ```
//! use dcnet_protocol::{names::{ClientId, NetId}, round::{Epoch, Round}};
//! fn right(net: NetId, client: ClientId, epoch: Epoch, round: Round) {}
//! fn call(net: NetId, client: ClientId) { right(net, client, Epoch::new(1), Round::new(1)) }
//! ```
//!
//! ```compile_fail,E0308
//! use dcnet_protocol::{names::{ClientId, NetId}, round::{Epoch, Round}};
//! fn right(net: NetId, client: ClientId, epoch: Epoch, round: Round) {}
//! fn call(net: NetId, client: ClientId) { right(client, net, Epoch::new(1), Round::new(1)) }
//! ```
//!
//! ```compile_fail,E0308
//! use dcnet_protocol::{names::{ClientId, NetId}, round::{Epoch, Round}};
//! fn right(net: NetId, client: ClientId, epoch: Epoch, round: Round) {}
//! fn call(net: NetId, client: ClientId) { right(net, client, Round::new(1), Epoch::new(1)) }
//! ```
//!
//! A clear frame goes nowhere without a pad, a pad serves once, a superposition of one's own
//! making is no frame, and a key graph is not made without its checks: see
//! [`frame::ClearFrame`], [`pad::Pad`] and [`key_graph::KeyGraph`].
//!
//! ```compile_fail,E0423
//! use dcnet_protocol::key_graph::{Adjacency, KeyGraph};
//! let graph = KeyGraph(Adjacency::default());
//! ```
//!
//! Two state machines make a net: [`gateway::Gateway`] at each member, [`provider::Provider`] once.

pub mod certificate;
pub mod codec;
pub mod correction;
pub mod descriptor;
pub mod envelope;
pub mod evidence;
pub mod frame;
pub mod gateway;
pub mod key_agreement;
pub mod key_graph;
pub mod membership;
pub mod merkle;
pub mod message;
pub mod names;
pub mod notification;
pub mod pad;
pub mod parameters;
pub mod provider;
pub mod roster;
pub mod round;
pub mod self_mask;
pub mod signature;
pub mod superposition;
pub mod word;
