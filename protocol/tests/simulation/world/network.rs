//! What lies between gateways and the provider: requests, replies, disks, all of which may fail.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::gateway::{self, Output, Request};
use dcnet_protocol::message::Delivery;
use dcnet_protocol::provider::{self, Handled, Order, OrderRefusal, OrderTaken, Ordered, Reply};
use dcnet_protocol::round::UnixTime;
use rand_core::Rng as _;

use super::World;

impl World {
    pub(super) fn fetch_inbox(&mut self, member: usize) {
        if self.chance(self.trouble.request_lost + self.trouble.reply_lost) {
            return;
        }
        let Some(running) = &self.nodes[member].running else {
            return;
        };
        let position = running.inbox_position();
        let client = self.id(member);
        let (_, inbox) = self.store.inboxes.entry(client).or_default();
        inbox.retain(|delivery| delivery.sequence > position);
        for delivery in inbox.clone() {
            let bytes = delivery.encode();
            let delivery = Delivery::decode(&bytes).unwrap();
            if self.chance(self.trouble.deliver_twice) {
                self.input(member, gateway::Input::Delivery(delivery.clone()));
            }
            self.input(member, gateway::Input::Delivery(delivery));
        }
    }

    /// Gives a gateway an input and does what it says, unless it crashes in between.
    pub(crate) fn input(&mut self, member: usize, input: gateway::Input) {
        let submitted = match &input {
            gateway::Input::Submit { round, reading } => Some((*round, reading.clone())),
            _ => None,
        };
        let node = &mut self.nodes[member];
        let Some(running) = &mut node.running else {
            return;
        };
        let before = running.last_sealed();
        let clock = UnixTime::from_millis(self.now.millis().checked_add_signed(node.skew).unwrap());
        let outputs = running.handle(clock, input, &mut self.rng);
        if let Some((round, reading)) = submitted
            && running.last_sealed() == Some(round)
            && before != Some(round)
        {
            // Recorded even if the gateway crashes before it is on disk; then it is replaced by
            // what the next try seals.
            let client = node.setup.client;
            self.readings
                .insert((client, round), reading.map(|r| r.values().to_vec()));
        }
        for output in outputs {
            if let Some(left) = &mut self.nodes[member].crash_in {
                if *left == 0 {
                    self.start(member);
                    return;
                }
                *left -= 1;
            }
            match output {
                Output::Persist(persist) => {
                    if let Some(kept) = persist.evidence {
                        assert!(self.fork.is_some(), "an honest provider was caught lying");
                        self.evidence.push((self.now, self.id(member), kept.bytes));
                    }
                    self.nodes[member].disk = Some(persist.state.expose().to_vec());
                    if let Some(sending) = &persist.sending {
                        self.recorder.persisted(self.id(member), sending);
                    }
                }
                Output::Send(request) => self.send(member, request),
                Output::Report(report) => {
                    if matches!(report, gateway::Report::Drawn { .. }) {
                        self.draws.push((self.now, self.id(member)));
                    }
                    let text = report.to_string();
                    assert!(!text.is_empty());
                    if self.talkative {
                        println!("{} {}: {text}", self.now.secs(), self.id(member));
                    }
                }
            }
            if self.nodes[member].running.is_none() {
                return;
            }
        }
    }

    fn send(&mut self, member: usize, request: Request) {
        let from = self.id(member);
        if let Request::Frame { bytes, .. } = &request {
            self.recorder.sent(from, bytes);
        }
        if self.chance(self.trouble.frame_delayed) {
            let at = self.now.millis() + self.rng.next_u64() % 8000;
            self.nodes[member].delayed.push((at, request));
            return;
        }
        self.really_send(member, request, true);
    }
    pub(super) fn really_send(&mut self, member: usize, request: Request, answer: bool) {
        let from = self.id(member);
        if self.chance(self.trouble.request_lost) {
            return;
        }
        let reply = match request {
            Request::Frame {
                notification,
                bytes,
                ..
            } => {
                let input = provider::Input::Frame {
                    from,
                    bytes: bytes.clone(),
                };
                let asked = self.ask_provider(input);
                if self.talkative
                    && let Err(refusal) = &asked
                {
                    println!("{} {from}: refused {}", self.now.millis(), refusal.slug());
                }
                if std::mem::take(&mut self.lost_write) {
                    return;
                }
                match asked {
                    Ok(Reply::Receipt(receipt)) => {
                        self.recorder.taken(from, &bytes);
                        let signed = self.provider.sign_receipts(vec![receipt]).remove(0);
                        Some(gateway::Input::Accepted(Box::new(signed)))
                    }
                    Ok(Reply::Relayed) => panic!("an envelope's reply to a frame"),
                    Err(refusal) => {
                        let slug = refusal.slug().to_owned();
                        Some(gateway::Input::Refused { notification, slug })
                    }
                }
            }
            Request::Envelope(envelope) if self.is_severed(&from, &envelope.header().to) => {
                Some(gateway::Input::Relayed(envelope.header().clone()))
            }
            Request::Envelope(envelope) => {
                let bytes = envelope.encode();
                let answer = self.ask_provider(provider::Input::Envelope { from, bytes });
                if std::mem::take(&mut self.lost_write) {
                    return;
                }
                answer
                    .ok()
                    .map(|_| gateway::Input::Relayed(envelope.header().clone()))
            }
            Request::DrawList { from: size } => {
                let view = self.provider.draw_list(from, size).ok();
                view.map(|view| gateway::Input::DrawList(Box::new(view)))
            }
            Request::Listed { list, at } => {
                let members = self.provider.listed(list, &at).ok();
                members.map(|members| gateway::Input::Listed(Box::new(members)))
            }
            Request::CommonLog { small, large } => {
                let common = self.provider.common_log(small, large).ok();
                common.map(|common| gateway::Input::CommonLog(Box::new(common)))
            }
            Request::LogProof { index, from } => {
                let proof = self.provider.log_proof(index, from).ok();
                proof.map(|proof| gateway::Input::LogProof(Box::new(proof)))
            }
            Request::Roster { round, after } => {
                let roster = self.provider.roster(round, after).cloned();
                roster.map(|roster| gateway::Input::Roster(Box::new(roster)))
            }
            Request::Package(client) => {
                let package = self.provider.package(&client).cloned();
                package.map(|package| gateway::Input::Package(Box::new(package)))
            }
        };
        if !answer {
            return;
        }
        if let Some(reply) = reply
            && !self.chance(self.trouble.reply_lost)
        {
            let reply = self.shown(member, reply);
            self.input(member, reply);
        }
    }

    pub(crate) fn ask_provider(
        &mut self,
        input: provider::Input,
    ) -> Result<Reply, provider::Refusal> {
        let handled = self.provider.handle(self.now, input);
        let reply = handled.reply.clone();
        if !self.store_all(handled) {
            self.lost_write = true;
        }
        reply.unwrap()
    }

    /// The operator's order; none if the provider failed to write it and went on from its disk.
    pub(crate) fn order(&mut self, order: Order) -> Option<Result<OrderTaken, OrderRefusal>> {
        let Ordered { records, answer } = self.provider.order(self.now, order);
        let reply = None;
        self.store_all(Handled { records, reply }).then_some(answer)
    }

    pub(super) fn store_all(&mut self, handled: Handled) -> bool {
        if !handled.records.is_empty() && self.chance(self.trouble.write_fails) {
            self.restart_provider();
            return false;
        }
        for record in handled.records {
            self.recorder.recorded(&record);
            self.store.apply(record);
        }
        if self.chance(self.trouble.write_fails_persisted) {
            self.restart_provider();
            return false;
        }
        true
    }
}
