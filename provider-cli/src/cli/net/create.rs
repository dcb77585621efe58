//! `dcnet net create`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use dcnet_obis::{ObisCode, Unit};
use dcnet_protocol::certificate::{CertificateError, TrustAnchor};
use dcnet_protocol::descriptor::{CorrectionMode, NetParameters, SlotSpec};
use dcnet_protocol::names::NetId;
use dcnet_protocol::parameters::Net;
use dcnet_protocol::signature::{KeyError, SigningKey};
use jiff::SignedDuration;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::print_net;
use super::sharing::{self, Expected, Given};
use crate::cli::{CliError, JsonArg, Outcome, StoreArg, output};
use crate::service::{Admin, NetView, NewNet, RECOMMENDED_SIZE, Strength};

const AFTER_HELP: &str = "\
Examples:
  dcnet net create elbe-4 --region 'Dresden-Neustadt' \\
    --gateway-ca lab-ca/ca.pem --signing-key provider/provider-signing.key.pem

  dcnet net create lab --interval 10s --submit-window 3s --correction-window 3s \\
    --slot 1-0:1.8.0,Wh,-1 --slot 1-0:2.8.0,Wh,-1 --slot 1-0:16.7.0,W,0 --min-size 4 --degree 4 \\
    --threshold 3 --gateway-ca lab-ca/ca.pem --signing-key provider/provider-signing.key.pem

How many neighbours a member draws, and how many of them recover its self-mask, follows from
--members, --min-size, --max-loss and --corrupt. --degree and --threshold set both by hand: for
laboratories, and for those who have done the sums.

A slot is an OBIS code, a unit and a power of ten: 1-0:1.8.0,Wh,-1 counts tenths of a watt-hour.
Ten members may form a sum of ten readings; how little that hides is the reason for the default
of 100.";

/// Parameters of a net. They are immutable; another choice is another net.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Create {
    /// Name of the net: letters, digits, '.', '_', '-', at most 32.
    #[arg(value_name = "NET")]
    net: NetId,
    /// Region served, free text of at most 64 bytes.
    #[arg(long, default_value = "")]
    region: String,
    /// Metered interval, whole seconds.
    #[arg(long, value_name = "DURATION", default_value = "900s")]
    interval: Seconds,
    /// After the interval gateways submit for so long.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    submit_window: Seconds,
    /// After that missing members are corrected for so long.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    correction_window: Seconds,
    /// OBIS code, unit and power of ten of one summed quantity; repeatable.
    #[arg(
        long = "slot",
        value_name = "OBIS,UNIT,SCALE",
        default_value = "1-0:1.8.0,Wh,-1",
        allow_hyphen_values = true
    )]
    slots: Vec<Slot>,
    /// Fewest members over which a sum may be formed.
    #[arg(long, value_name = "NUMBER", default_value_t = RECOMMENDED_SIZE)]
    min_size: u32,
    /// Members that the net is expected to have.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    members: u32,
    /// Members expected to be in league with a provider that lies, in thousandths.
    #[arg(long, value_name = "PERMILLE", default_value_t = 50)]
    corrupt: u16,
    /// Neighbours that each member draws, at most 255 in double-mask mode; with fewer members
    /// everybody is everybody's neighbour [default: as many as it takes; 52 in resend mode].
    #[arg(long, value_name = "NUMBER")]
    degree: Option<u16>,
    /// Shares that recover a self-mask: more than half of the degree. Of no effect in resend mode
    /// [default: as many as the loss allows].
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u16>,
    /// Members expected to fail in one round, in thousandths.
    #[arg(long, value_name = "PERMILLE", default_value_t = 50)]
    max_loss: u16,
    /// Members and edges change only at rounds divisible by this.
    #[arg(long, value_name = "ROUNDS", default_value_t = 1)]
    epoch_length: u32,
    /// How missing members are corrected for.
    #[arg(long, value_enum, default_value_t = Mode::DoubleMask)]
    mode: Mode,
    /// Certificate of the gateway administrator's authority, PEM.
    #[arg(long, value_name = "FILE")]
    gateway_ca: PathBuf,
    /// The provider's key for statements, PKCS #8 PEM on P-256.
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Why a net's files were not taken.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum CreateError {
    #[error("cannot read a certificate from {}: {source}", path.display())]
    ReadAuthority {
        path: PathBuf,
        source: rustls_pki_types::pem::Error,
    },
    #[error("{} holds {got} certificates; a net has exactly one gateway authority", path.display())]
    Authorities { path: PathBuf, got: usize },
    #[error("the gateway authority in {}: {source}", path.display())]
    Authority {
        path: PathBuf,
        source: CertificateError,
    },
    #[error("cannot read the signing key {}: {source}", path.display())]
    ReadKey {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the net cannot be created: give both --degree and --threshold, or neither")]
    OnlyOne,
    #[error("the net cannot be created: {0}")]
    Sharing(String),
    #[error("the signing key {}: {source}; `dcnet pki provider` makes one", path.display())]
    Key { path: PathBuf, source: KeyError },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Every frame has a self-mask of its own, whose shares the member's neighbours hold. Withstands
    /// a provider that lies about who is missing.
    DoubleMask,
    /// Neighbours resend without the missing member's pads. Withstands a curious provider, not a
    /// lying one.
    Resend,
}

impl From<Mode> for CorrectionMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::DoubleMask => Self::DoubleMask,
            Mode::Resend => Self::Resend,
        }
    }
}

/// Whole seconds, written like 900s, 15m or 1h.
#[derive(Debug, Clone, Copy)]
struct Seconds(u32);

impl FromStr for Seconds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let duration: SignedDuration = text
            .parse()
            .map_err(|_| "write a duration like 900s, 15m or 1h".to_owned())?;
        match (u32::try_from(duration.as_secs()), duration.subsec_nanos()) {
            (Ok(seconds), 0) => Ok(Self(seconds)),
            _ => Err("a duration is a whole, positive number of seconds".to_owned()),
        }
    }
}

/// A slot like `1-0:1.8.0,Wh,-1`.
#[derive(Debug, Clone, Copy)]
struct Slot(SlotSpec);

impl FromStr for Slot {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [obis, unit, scale] = parts.as_slice() else {
            return Err("write OBIS code, unit and power of ten, like 1-0:1.8.0,Wh,-1".to_owned());
        };
        let obis: ObisCode = obis.parse().map_err(|error| format!("{obis}: {error}"))?;
        let unit: Unit = unit.parse().map_err(|error| format!("{unit}: {error}"))?;
        let scale: i8 = scale
            .parse()
            .map_err(|_| format!("{scale} is no power of ten between -128 and 127"))?;
        Ok(Self(SlotSpec {
            obis: obis.to_bytes(),
            unit: unit.code(),
            scale,
        }))
    }
}

impl Create {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let (authority, ca_fingerprint) = read_authority(&self.gateway_ca)?;
        let provider_key = read_key(&self.signing_key)?.verifying_key().to_sec1();
        let expected = Expected {
            net: Net {
                members: self.members,
                loss_permille: self.max_loss,
                min_size: self.min_size,
            },
            corrupt_permille: self.corrupt,
        };
        let given = Given {
            degree: self.degree,
            threshold: self.threshold,
        };
        let sharing = match self.mode {
            Mode::DoubleMask => expected.double_mask(given)?,
            Mode::Resend => sharing::resend(given),
        };
        let parameters = NetParameters {
            version: 1,
            net: self.net,
            region: self.region.into_bytes(),
            interval_s: self.interval.0,
            submit_window_s: self.submit_window.0,
            correction_window_s: self.correction_window.0,
            slots: self.slots.iter().map(|slot| slot.0).collect(),
            min_size: self.min_size,
            out_degree: sharing.holders,
            threshold: sharing.threshold,
            max_loss_permille: self.max_loss,
            correction_mode: self.mode.into(),
            epoch_length: self.epoch_length,
            provider_key,
            ca_fingerprint,
        };
        let admin = Admin::create_or_open(&self.store.store).await?;
        let net = admin
            .create_net(NewNet {
                parameters,
                authority,
            })
            .await?;
        admin.close().await;
        let (withstands, short) = match self.mode {
            Mode::DoubleMask => expected.judge(sharing),
            Mode::Resend => (None, None),
        };
        let net = Created { net, withstands };
        if self.json.json {
            output::json(&net)?;
        } else {
            net.print()?;
        }
        let net = net.net;
        if let Some(text) = short {
            warn_of_sharing(&text);
        }
        if net.min_size < RECOMMENDED_SIZE {
            warn_of_size(net.min_size);
        }
        if self.mode == Mode::Resend {
            warn_of_resend();
        }
        Ok(Outcome::Done)
    }
}

/// A net that has just been created.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Created {
    #[serde(flatten)]
    net: NetView,
    /// With the members that are expected; none in a net without self-masks.
    withstands: Option<Strength>,
}

impl Created {
    fn print(&self) -> Result<(), CliError> {
        print_net(&self.net)?;
        if let Some(strength) = &self.withstands {
            output::text(&format!("withstands          {}", strength.text()))?;
        }
        Ok(())
    }
}

fn warn_of_sharing(text: &str) {
    eprintln!(
        "\n\
         ******************************** WARNING ********************************\n\
         Degree and threshold do not give what this net is expected to withstand.\n\
         {text}\n\
         *************************************************************************"
    );
}

fn warn_of_size(min_size: u32) {
    eprintln!(
        "\n\
         ******************************** WARNING ********************************\n\
         This net forms sums over as few as {min_size} households. With 15-minute values\n\
         even 20 households let one of them be told apart half of the time. Fewer\n\
         than {RECOMMENDED_SIZE} is for laboratories and for those who have consented to it.\n\
         *************************************************************************"
    );
}

fn warn_of_resend() {
    eprintln!(
        "\n\
         ******************************** WARNING ********************************\n\
         This net corrects by resending. A provider that calls a member missing\n\
         whose frame it has learns that member's readings. Gateways take part only\n\
         if their owners allow it. Without --mode resend a net withstands that.\n\
         *************************************************************************"
    );
}

fn read_authority(path: &Path) -> Result<(Vec<u8>, [u8; 32]), CreateError> {
    let pem = |source| CreateError::ReadAuthority {
        path: path.to_owned(),
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(pem)?
        .collect::<Result<_, _>>()
        .map_err(pem)?;
    let [certificate] = certificates.as_slice() else {
        return Err(CreateError::Authorities {
            path: path.to_owned(),
            got: certificates.len(),
        });
    };
    let anchor = TrustAnchor::from_der(certificate).map_err(|source| CreateError::Authority {
        path: path.to_owned(),
        source,
    })?;
    Ok((certificate.to_vec(), anchor.fingerprint()))
}

fn read_key(path: &Path) -> Result<SigningKey, CreateError> {
    let pem = crate::files::read_key(path).map_err(|source| CreateError::ReadKey {
        path: path.to_owned(),
        source,
    })?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|source| CreateError::Key {
        path: path.to_owned(),
        source,
    })
}
