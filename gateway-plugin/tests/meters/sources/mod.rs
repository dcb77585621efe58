//! Sources other than serial ports: programs, vzlogger over HTTP and MQTT, and several at once.

mod command;
mod input;
mod mqtt;
mod running;
mod vzlogger;
