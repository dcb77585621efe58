//! Provider, gateways and meters as the real things.
//!
//! - [`Program`] and [`Process`]: children that end with their owner, with their logs in files.
//! - [`Line`]: a serial line, a pseudo-terminal that can be unplugged and plugged in again.
//! - [`Meter`]: pushes the telegrams of a [`Source`] into a line, and remembers what it showed.
//! - [`Household`] and [`Recording`]: sources, simulated and recorded.
//! - [`Lab`]: a net with its certificates, provider and gateways in one folder.
//! - [`Random`]: moments and amounts.
//! - [`Published`]: what the provider says of a round; [`truth`]: what it should have said.
//! - [`Peek`] and [`Witness`]: looks into the provider's store behind its back.

mod error;
mod household;
mod lab;
mod line;
mod meter;
mod peek;
mod process;
mod profile;
mod published;
mod random;
mod recording;
mod retry;
mod truth;
mod witness;

pub use error::HarnessError;
pub use household::{Habit, Household};
pub use lab::{Audit, Lab, Member};
pub use line::Line;
pub use meter::{Meter, Source, Spoken};
pub use peek::{Edges, Peek, StoredFrame};
pub use process::{Process, Program, dispatch};
pub use profile::{NetPlan, Slot};
pub use published::Published;
pub use random::Random;
pub use recording::{Origin, Recording, recordings};
pub use retry::{now_millis, wait_for};
pub use truth::{Verdict, truth};
pub use witness::{Seen, Witness};
