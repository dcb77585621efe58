//! How many requests the server answers, and what processor time they take.

use std::time::Instant;

use crate::connection::Connection;
use crate::requests::Request;

/// What a turn measured.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Requests per second.
    pub(crate) rate: u64,
    /// Processor time per request, client and server together, in nanoseconds.
    pub(crate) cpu: u64,
}

/// Sends everything, one request at a time per connection.
pub(crate) async fn run(
    connections: &mut Vec<Connection>,
    requests: Vec<Vec<Request>>,
) -> Measured {
    let count = u64::try_from(requests.iter().map(Vec::len).sum::<usize>()).unwrap();
    let cpu = cpu_nanoseconds();
    let started = Instant::now();
    let tasks: Vec<_> = connections
        .drain(..)
        .zip(requests)
        .map(|(mut connection, requests)| {
            tokio::spawn(async move {
                for request in requests {
                    connection.exchange(&request).await;
                }
                connection
            })
        })
        .collect();
    for task in tasks {
        connections.push(task.await.unwrap());
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap();
    Measured {
        rate: count * 1_000_000 / micros.max(1),
        cpu: (cpu_nanoseconds() - cpu) / count.max(1),
    }
}

/// Processor time of all threads of this process: what other load on the machine does not change.
fn cpu_nanoseconds() -> u64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("schedstat")).ok())
        .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

pub(crate) fn print_rates(measured: &[(Measured, Measured)]) {
    let over =
        |number: fn(&(Measured, Measured)) -> u64| median(measured.iter().map(number).collect());
    let ratio = over(|(frame, reading)| frame.rate * 1000 / reading.rate.max(1));
    let rate = over(|(frame, _)| frame.rate);
    println!(
        "processor time: {} ns per frame, {} ns per plain reading, client and server together",
        over(|(frame, _)| frame.cpu),
        over(|(_, reading)| reading.cpu)
    );
    println!(
        "medians: {rate} durable frames/s, {} of the rate of plain readings",
        thousandths(ratio)
    );
    println!("target: at least 0.900: {}", verdict(ratio >= 900));
    println!("target: beyond 10000 frames/s: {}", verdict(rate > 10_000));
}

pub(crate) fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1000, number % 1000)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "is missed" }
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}
