//! Notifications 1 to 3: who registers, enters, leaves.

use super::{MemberRecord, Provider, Record, Refusal};
use crate::key_agreement::SignedKeyPackage;
use crate::membership::MemberStatus;
use crate::membership::entry::{ExitStatement, Neighbourhood};
use crate::message::Message;
use crate::names::{ClientId, ClientSet};
use crate::round::{Round, UnixTime};
use crate::signature::Signed;

impl Provider {
    /// Notification 1. With the package in force it changes nothing (a suspended member comes back
    /// with notification 2); with a newer one the member begins anew.
    pub(super) fn register(
        &mut self,
        now: UnixTime,
        from: ClientId,
        package: SignedKeyPackage,
    ) -> Result<Vec<Record>, Refusal> {
        let descriptor = &self.setup.descriptor;
        let verified =
            package.verify(&self.setup.anchor, descriptor.net(), descriptor.hash(), now)?;
        let body = verified.package();
        if body.client != from {
            return Err(Refusal::WrongClient {
                expected: from,
                got: body.client,
            });
        }
        if let Some(known) = self.members.get(&from) {
            let in_force = known.package.unverified();
            if in_force == body {
                return match known.status {
                    MemberStatus::Exited => Err(Refusal::Exited { client: from }),
                    _ if known.package == package => Ok(Vec::new()),
                    // The same key under a renewed certificate.
                    _ => {
                        let statement_key = verified.statement_key().to_sec1();
                        let known = known.clone();
                        let kept = Record::KeyPackage(Box::new(package.clone()));
                        let mut records = self.put(MemberRecord {
                            package,
                            statement_key,
                            ..known
                        });
                        records.push(kept);
                        Ok(records)
                    }
                };
            }
            if body.serial <= in_force.serial {
                let (last, got) = (in_force.serial, body.serial);
                return Err(Refusal::StaleKeyPackage { last, got });
            }
        }
        check_serial(now, body.serial)?;
        let statement_key = verified.statement_key().to_sec1();
        let kept = Record::KeyPackage(Box::new(package.clone()));
        let mut records = self.put(MemberRecord {
            client: from,
            status: MemberStatus::Registered,
            package,
            statement_key,
            neighbourhood: None,
            exit: None,
            exit_round: Round::default(),
        });
        records.push(kept);
        Ok(records)
    }

    /// Notification 2.
    pub(super) fn enter(
        &mut self,
        now: UnixTime,
        from: ClientId,
        statement: Signed<Neighbourhood>,
    ) -> Result<Vec<Record>, Refusal> {
        let key = self.statement_key(&from)?;
        let body = statement.verify(&key)?;
        self.check_net(body.net, body.descriptor.as_bytes())?;
        self.check_author(from, body.client, &body.neighbours.clients())?;
        let most = self.setup.descriptor.out_degree();
        let holders = &body.holders;
        if holders.len() > most || !body.neighbours.contains_all(holders) {
            let got = holders.len();
            return Err(Refusal::Holders { got, most });
        }
        let Some(member) = self.members.get(&from) else {
            return Err(Refusal::NotRegistered { client: from });
        };
        if member.neighbourhood.as_ref() == Some(&statement) {
            return Ok(Vec::new());
        }
        if body.serial <= member.last_serial() {
            let (last, got) = (member.last_serial(), body.serial);
            return Err(Refusal::StaleStatement { last, got });
        }
        check_serial(now, body.serial)?;
        if body.package != member.package_hash() {
            return Err(Refusal::StaleNeighbourhoodPackage { client: from });
        }
        let status = match member.status {
            MemberStatus::Registered | MemberStatus::Suspended | MemberStatus::Entered => {
                MemberStatus::Entered
            }
            MemberStatus::Active => MemberStatus::Active,
            MemberStatus::Exiting => MemberStatus::Exiting,
            MemberStatus::Exited => return Err(Refusal::Exited { client: from }),
        };
        Ok(self.put(MemberRecord {
            status,
            neighbourhood: Some(statement),
            ..member.clone()
        }))
    }

    /// Notification 3. The leaver stays active until its neighbours have bridged the gap, if it is
    /// active at all.
    pub(super) fn exit(
        &mut self,
        now: UnixTime,
        from: ClientId,
        statement: Signed<ExitStatement>,
    ) -> Result<Vec<Record>, Refusal> {
        let key = self.statement_key(&from)?;
        let body = statement.verify(&key)?.clone();
        self.check_net(body.net, body.descriptor.as_bytes())?;
        self.check_author(from, body.client, &body.neighbours)?;
        let Some(member) = self.members.get(&from) else {
            return Err(Refusal::NotRegistered { client: from });
        };
        if member.exit.as_ref() == Some(&statement) {
            return Ok(Vec::new());
        }
        if body.serial <= member.last_serial() {
            let (last, got) = (member.last_serial(), body.serial);
            return Err(Refusal::StaleStatement { last, got });
        }
        check_serial(now, body.serial)?;
        let status = match member.status {
            MemberStatus::Active => MemberStatus::Exiting,
            MemberStatus::Exiting | MemberStatus::Exited => {
                return Err(Refusal::Exited { client: from });
            }
            _ => MemberStatus::Exited,
        };
        let member = MemberRecord {
            status,
            exit: Some(statement.clone()),
            exit_round: self.setup.descriptor.schedule().round_at(now),
            ..member.clone()
        };
        let mut records = self.put(member);
        let message = Message::Exit(statement);
        // Whoever does not name the leaver itself has no key of it to discard.
        let concerned = body.neighbours.iter().filter(|peer| {
            let neighbours = self.members.get(peer).and_then(MemberRecord::edges);
            neighbours.is_some_and(|edges| edges.contains(&from))
        });
        records.extend(concerned.map(|peer| Self::deliver(*peer, &message)));
        Ok(records)
    }

    pub(super) fn put(&mut self, member: MemberRecord) -> Vec<Record> {
        self.is_settled = false;
        self.members.insert(member.client, member.clone());
        vec![Record::Member(Box::new(member))]
    }

    pub(super) fn set_status(&mut self, client: &ClientId, status: MemberStatus) -> Vec<Record> {
        match self.members.get(client) {
            Some(member) if member.status != status => {
                let member = MemberRecord {
                    status,
                    ..member.clone()
                };
                self.put(member)
            }
            _ => Vec::new(),
        }
    }

    fn check_author(
        &self,
        from: ClientId,
        author: ClientId,
        neighbours: &ClientSet,
    ) -> Result<(), Refusal> {
        if author != from {
            return Err(Refusal::WrongClient {
                expected: from,
                got: author,
            });
        }
        match neighbours
            .iter()
            .find(|peer| **peer == from || !self.members.contains_key(peer))
        {
            Some(client) => Err(Refusal::UnknownNeighbour { client: *client }),
            None => Ok(()),
        }
    }
}

/// Serials are times where they can be; one from a clock that is far ahead is refused in time.
fn check_serial(now: UnixTime, serial: u64) -> Result<(), Refusal> {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    if serial > now.plus_millis(DAY).millis() {
        return Err(Refusal::SerialAhead { got: serial });
    }
    Ok(())
}
