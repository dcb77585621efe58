//! Group of whole rounds under double masks: every word of every frame and answer, and the sum.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use dcnet_protocol::pad::Pad;
use dcnet_protocol::roster::{MemberBits, Roster};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::{Place, Seed, SelfMask, ShareKey};
use dcnet_protocol::signature::Signed;
use dcnet_protocol::superposition::Superposition;
use dcnet_protocol::word::Word;
use serde_json::{Value, json};

use crate::group::{Vector, bytes, load, numbers};
use crate::sums::{Member, agreed, masked, members, party, true_sum};

/// A vector's round. Members are meant by their index.
struct Net<'a> {
    vector: &'a Vector,
    descriptor: NetDescriptor,
    members: Vec<Member<'a>>,
    head: EpochHead,
    epoch: Epoch,
    round: Round,
    slots: usize,
}

/// A roster, with the frames that answer it.
struct Step {
    roster: Roster,
    answers: Vec<(usize, FrameBody)>,
}

impl<'a> Net<'a> {
    fn new(vector: &'a Vector) -> Self {
        let descriptor = NetDescriptor::decode(&vector.bytes("descriptor")).unwrap();
        let net = Self {
            members: members(vector, descriptor.hash()),
            head: EpochHead::decode(&vector.bytes("head")).unwrap(),
            epoch: Epoch::new(vector.number("epoch")),
            round: Round::new(vector.number("round")),
            slots: usize::try_from(vector.number("slots")).unwrap(),
            descriptor,
            vector,
        };
        for member in &net.members {
            let neighbours = member.json["neighbours"].as_array().unwrap().len();
            assert_eq!(member.edges.len(), neighbours, "{}", vector.name);
        }
        net
    }

    fn index(&self, client: &str) -> usize {
        let same = |member: &Member<'_>| member.client == client;
        self.members.iter().position(same).unwrap()
    }

    /// Whether the member's bytes are to be those of the specification.
    fn is_sound(&self, index: usize) -> bool {
        let tampered = names(self.vector.get("tampered"));
        !tampered.contains(&self.members[index].client)
    }

    /// The holders of a member's shares, in their order.
    fn holders(&self, index: usize) -> Vec<usize> {
        let holders = names(&self.members[index].json["holders"]);
        holders.iter().map(|holder| self.index(holder)).collect()
    }

    /// Those of `present` whose shares the member holds, ascending.
    fn dealers(&self, holder: usize, present: &MemberBits) -> Vec<usize> {
        let dealers = present
            .iter()
            .filter(|dealer| self.holders(*dealer).contains(&holder));
        dealers.collect()
    }

    fn place(&self, index: usize) -> Place {
        Place {
            descriptor: self.descriptor.hash(),
            client: self.members[index].client.parse().unwrap(),
            epoch: self.epoch,
            round: self.round,
        }
    }

    /// Decodes a frame of this round and finds its sender.
    fn frame(&self, encoded: &Value) -> (usize, bool, FrameBody) {
        let frame = Frame::decode(&bytes(encoded)).unwrap();
        let (header, body) = frame.into_parts();
        assert_eq!(header.net, self.descriptor.net());
        assert_eq!(header.descriptor, self.descriptor.hash());
        assert_eq!((header.epoch, header.round), (self.epoch, self.round));
        let sender = self.index(header.client.as_str());
        (sender, header.transmission, body)
    }

    /// Words and self-masks of the frames; each word is compared.
    fn frames(&self) -> Vec<Option<(Vec<u64>, SelfMask)>> {
        let frames = self.members.iter().enumerate().map(|(index, member)| {
            if member.json["frame"].is_null() {
                return None;
            }
            let (sender, transmission, body) = self.frame(&member.json["frame"]);
            assert_eq!(sender, index);
            assert_eq!(transmission, !member.json["reading"].is_null());
            let FrameBody::Transmit {
                words,
                mask: Some(mask),
            } = body
            else {
                panic!("{}: no masked frame", self.vector.name);
            };
            if self.is_sound(index) {
                let seed = bytes(&member.json["seed"]).try_into().unwrap();
                let (seed, place) = (Seed::from_bytes(seed), self.place(index));
                let mut expected = masked(member, self.round, self.slots);
                add(&mut expected, &seed.words_for_vectors(&place, self.slots));
                assert_eq!(words.to_stored(), expected, "{}", self.vector.name);
                assert_eq!(mask.commitment, seed.commitment_for_vectors(&place));
                let drawn = self.descriptor.drawn_of(self.members.len());
                let threshold = self.descriptor.threshold_of(drawn);
                assert_eq!(usize::from(mask.threshold), threshold);
                assert_eq!(mask.shares.len(), self.holders(index).len());
            }
            Some((words.to_stored(), mask))
        });
        frames.collect()
    }

    /// Rosters and answers; each word and key is compared.
    fn steps(&self) -> Vec<Step> {
        let leaves = self.members.iter().map(|member| {
            let party = party(member.json);
            MemberLeaf {
                client: party.client,
                package: party.package,
            }
        });
        let tree = MemberTree::new(leaves.collect()).unwrap();
        let mut before = MemberBits::none(self.members.len());
        (0..self.members.len()).for_each(|index| before.insert(index));
        let mut steps = Vec::new();
        for shown in self.vector.get("rosters").as_array().unwrap() {
            let roster = Signed::<Roster>::decode(&bytes(&shown["roster"])).unwrap();
            let roster = roster.verify(self.descriptor.provider_key()).unwrap();
            let head = tree.epoch_head(self.epoch, self.round);
            assert_eq!(head, self.head, "{}", self.vector.name);
            let step = (roster.step(), roster.reveal());
            let present = roster.present().clone();
            let again = Roster::new(
                &self.descriptor,
                &head,
                self.round,
                step,
                present.clone(),
                roster.contributors(),
            );
            assert_eq!(again.as_ref(), Ok(roster), "{}", self.vector.name);
            assert_eq!(usize::from(roster.step()), steps.len() + 1);
            assert!(present.is_subset(&before), "{}", self.vector.name);
            let mut answers = Vec::new();
            for answer in shown["answers"].as_array().unwrap() {
                let (sender, transmission, body) = self.frame(answer);
                assert!(present.contains(sender) && !transmission);
                if self.is_sound(sender) {
                    self.check_answer(sender, &body, &before, roster);
                }
                answers.push((sender, body));
            }
            steps.push(Step {
                roster: roster.clone(),
                answers,
            });
            before = present;
        }
        steps
    }

    fn check_answer(&self, sender: usize, body: &FrameBody, before: &MemberBits, now: &Roster) {
        let member = &self.members[sender];
        match body {
            FrameBody::Pads { roster, words } => {
                assert!(!now.reveal() && *roster == now.hash());
                let mut expected = vec![0; self.slots];
                for edge in &member.edges {
                    let peer = self.index(edge.peer().as_str());
                    if before.contains(peer) && !now.present().contains(peer) {
                        add(
                            &mut expected,
                            &Pad::words_for_vectors(edge, self.round, self.slots),
                        );
                    }
                }
                assert_eq!(words.to_stored(), expected, "{}", self.vector.name);
            }
            FrameBody::Reveal { roster, keys } => {
                assert!(now.reveal() && *roster == now.hash());
                let dealers = self.dealers(sender, now.present()).into_iter();
                let expected: Vec<ShareKey> = dealers
                    .map(|dealer| {
                        let dealer = self.members[dealer].json;
                        let hash = self.descriptor.hash();
                        let (_, secret) = agreed(hash, &self.head, member.json, dealer);
                        let (dealer, holder) = (party(dealer).client, party(member.json).client);
                        secret.shares(dealer, holder).key(self.round)
                    })
                    .collect();
                assert_eq!(*keys, expected, "{}", self.vector.name);
            }
            _ => panic!("{}: not an answer", self.vector.name),
        }
    }

    /// The sum of section 7.18, and the shares that did not fit.
    fn unmask(
        &self,
        frames: &[Option<(Vec<u64>, SelfMask)>],
        steps: &[Step],
    ) -> (Option<Vec<u64>>, Vec<Value>) {
        let last = steps.last().unwrap();
        let present = last.roster.present();
        let (mut sum, mut wrong) = (Some(vec![0; self.slots]), Vec::new());
        for dealer in present.iter() {
            let (words, mask) = frames[dealer].as_ref().unwrap();
            let holders = self.holders(dealer);
            let told = last.answers.iter().filter_map(|(holder, body)| {
                let position = holders.iter().position(|other| other == holder)?;
                let FrameBody::Reveal { keys, .. } = body else {
                    panic!("{}: not a reveal", self.vector.name);
                };
                let dealers = self.dealers(*holder, present);
                assert_eq!(keys.len(), dealers.len(), "{}", self.vector.name);
                let at = dealers.iter().position(|other| *other == dealer)?;
                Some((position, keys[at]))
            });
            let recovery = mask.recover(&self.place(dealer), self.slots, told);
            wrong.extend(recovery.wrong.iter().map(|position| {
                let holder = self.members[holders[*position]].client;
                json!({"dealer": self.members[dealer].client, "holder": holder})
            }));
            match (recovery.words, &mut sum) {
                (Ok(mask), Some(sum)) => {
                    add(sum, words);
                    subtract(sum, &mask.iter().map(|word| word.get()).collect::<Vec<_>>());
                }
                _ => sum = None,
            }
        }
        let pads = steps.iter().flat_map(|step| &step.answers);
        for (sender, body) in pads {
            if let (FrameBody::Pads { words, .. }, Some(sum)) = (body, &mut sum)
                && present.contains(*sender)
            {
                subtract(sum, &words.to_stored());
            }
        }
        (sum, wrong)
    }
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|name| name.as_str().unwrap()).collect()
}

fn add(words: &mut [u64], more: &[u64]) {
    for (word, more) in words.iter_mut().zip(more) {
        *word = (Word::new(*word) + Word::new(*more)).get();
    }
}

fn subtract(words: &mut [u64], less: &[u64]) {
    for (word, less) in words.iter_mut().zip(less) {
        *word = (Word::new(*word) - Word::new(*less)).get();
    }
}

#[test]
fn masked_superpositions() {
    for vector in load("masked-superpositions") {
        let net = Net::new(&vector);
        let (frames, steps) = (net.frames(), net.steps());
        let (sum, wrong) = net.unmask(&frames, &steps);
        assert_eq!(json!(wrong), *vector.get("wrong"), "{}", vector.name);
        let last = &steps.last().unwrap().roster;
        let present = last.present();
        let missing = (0..net.members.len()).filter(|index| !present.contains(*index));
        let missing: Vec<_> = missing.map(|index| net.members[index].client).collect();
        assert_eq!(json!(missing), *vector.get("missing"), "{}", vector.name);
        let contributors = present
            .iter()
            .map(|index| &net.members[index])
            .filter(|member| !member.json["reading"].is_null());
        let contributors: Vec<_> = contributors.map(|member| member.client).collect();
        assert_eq!(contributors.len(), last.contributors(), "{}", vector.name);
        let named = vector.get("contributors");
        assert_eq!(json!(contributors), *named, "{}", vector.name);

        let stored = vector.has("sum").then(|| numbers(vector.get("sum")));
        assert_eq!(sum, stored, "{}", vector.name);
        let there = present.iter().map(|index| &net.members[index]);
        let readings = true_sum(there, net.slots);
        let signed = sum.map(|sum| {
            let sum = Superposition::from_stored(&sum);
            sum.words().iter().map(|w| w.to_signed()).collect()
        });
        vector.outcome(if signed == Some(readings.clone()) {
            Ok(())
        } else {
            Err("no sum of the readings")
        });
        if vector.accepted {
            let texts: Vec<String> = readings.iter().map(i64::to_string).collect();
            assert_eq!(json!(texts), *vector.get("signed_sum"), "{}", vector.name);
        }
    }
}
