//! Requests in batches over a Unix socket: as much of a network as there has to be between driver and
//! provider, so that each has a process of its own.

use std::io;
use std::time::Duration;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::names::{ClientId, NetId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Frame,
    /// The roster of round `number` behind `step`.
    Roster,
    /// The inbox behind `number`.
    Inbox,
    /// How round `number` ended.
    Outcome,
}

pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) client: ClientId,
    pub(crate) net: NetId,
    pub(crate) number: u64,
    pub(crate) step: u8,
    pub(crate) wait: Duration,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Response {
    /// From the arrival of the batch to the answer.
    pub(crate) took: Duration,
    /// What a gateway would be sent, or told.
    pub(crate) body: Result<Vec<u8>, String>,
}

pub(crate) async fn send(stream: &mut UnixStream, requests: &[Request]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for request in requests {
        bytes.push(request.kind as u8);
        bytes.extend(request.client.encode());
        bytes.extend(request.net.encode());
        bytes.extend(request.number.to_be_bytes());
        bytes.push(request.step);
        bytes.extend(narrow(request.wait.as_millis()).to_be_bytes());
        put(&mut bytes, &request.body);
    }
    write(stream, requests.len(), &bytes).await
}

/// The requests of the next batch; none when the driver has hung up.
pub(crate) async fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<Request>>> {
    let Some((count, bytes)) = read(stream).await? else {
        return Ok(None);
    };
    let mut rest = bytes.as_slice();
    let requests = (0..count).map(|_| Request {
        kind: match take(&mut rest, 1)[0] {
            0 => Kind::Frame,
            1 => Kind::Roster,
            2 => Kind::Inbox,
            _ => Kind::Outcome,
        },
        client: text(&mut rest).parse().unwrap(),
        net: text(&mut rest).parse().unwrap(),
        number: u64::from_be_bytes(take(&mut rest, 8).try_into().unwrap()),
        step: take(&mut rest, 1)[0],
        wait: Duration::from_millis(length(&mut rest).into()),
        body: piece(&mut rest),
    });
    Ok(Some(requests.collect()))
}

pub(crate) async fn answer(stream: &mut UnixStream, responses: &[Response]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for response in responses {
        bytes.extend(narrow(response.took.as_micros()).to_be_bytes());
        bytes.push(response.body.is_ok().into());
        match &response.body {
            Ok(body) => put(&mut bytes, body),
            Err(text) => put(&mut bytes, text.as_bytes()),
        }
    }
    write(stream, responses.len(), &bytes).await
}

pub(crate) async fn answers(stream: &mut UnixStream) -> io::Result<Vec<Response>> {
    let closed = || io::Error::other("the provider hung up");
    let (count, bytes) = read(stream).await?.ok_or_else(closed)?;
    let mut rest = bytes.as_slice();
    let responses = (0..count).map(|_| {
        let took = Duration::from_micros(length(&mut rest).into());
        let is_ok = take(&mut rest, 1)[0] == 1;
        let body = piece(&mut rest);
        let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
        Response {
            took,
            body: if is_ok { Ok(body) } else { Err(text(body)) },
        }
    });
    Ok(responses.collect())
}

async fn write(stream: &mut UnixStream, count: usize, bytes: &[u8]) -> io::Result<()> {
    let mut head = narrow(count as u128).to_be_bytes().to_vec();
    put(&mut head, bytes);
    stream.write_all(&head).await
}

async fn read(stream: &mut UnixStream) -> io::Result<Option<(u32, Vec<u8>)>> {
    let count = match stream.read_u32().await {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = stream.read_u32().await?;
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut bytes).await?;
    Ok(Some((count, bytes)))
}

fn put(bytes: &mut Vec<u8>, piece: &[u8]) {
    bytes.extend(narrow(piece.len() as u128).to_be_bytes());
    bytes.extend(piece);
}

fn narrow(number: u128) -> u32 {
    u32::try_from(number).expect("batches are small")
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(count);
    *rest = behind;
    taken
}

fn length(rest: &mut &[u8]) -> u32 {
    u32::from_be_bytes(take(rest, 4).try_into().unwrap())
}

fn piece(rest: &mut &[u8]) -> Vec<u8> {
    let count = usize::try_from(length(rest)).unwrap();
    take(rest, count).to_vec()
}

fn text<'a>(rest: &mut &'a [u8]) -> &'a str {
    let count = usize::from(take(rest, 1)[0]);
    std::str::from_utf8(take(rest, count)).unwrap()
}
