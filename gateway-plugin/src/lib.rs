//! Daemon on the metering gateway: reads meters, masks readings, submits superpositions.
