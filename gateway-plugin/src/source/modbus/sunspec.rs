//! Finding the meter in a device that describes itself as `SunSpec` tells: a marker, then models one
//! after the other, each with its id and length, to the end model.

use dcnet_profiles::modbus::layout::Text;
use dcnet_profiles::modbus::template::MAX_BLOCK;
use dcnet_profiles::modbus::{Direction, NotAvailable, Register, SunSpec};

use super::device::{Device, holding, text};
use super::fault::Fault;
use super::link::Link;

/// `SunS`
const MARKER: [u16; 2] = [0x5375, 0x6e53];

/// Id of the end model.
const END: u16 = 0xffff;

/// Most models that are looked at. Devices have about ten.
const MOST_MODELS: usize = 100;

/// Where in the list of bases the search begins; it moves on when a device is silent at one instead
/// of refusing it.
#[derive(Debug, Default)]
pub(super) struct Search {
    first: usize,
}

impl Search {
    /// The first meter model of the device.
    pub(super) async fn find(
        &mut self,
        link: &mut Link,
        models: &SunSpec,
        positive: Direction,
    ) -> Result<Device, Fault> {
        let base = self.base(link, models).await?;
        walk(link, models, base, positive).await
    }

    async fn base(&mut self, link: &mut Link, models: &SunSpec) -> Result<u16, Fault> {
        let count = models.bases.len();
        let bases = models.bases.iter().cycle().skip(self.first).take(count);
        for base in bases {
            match link.read(holding(*base, 2)).await {
                Ok(words) if words == MARKER => return Ok(*base),
                Ok(_) | Err(Fault::Refused { .. }) => {}
                Err(fault) => {
                    self.first = self.first.wrapping_add(1) % count.max(1);
                    return Err(fault);
                }
            }
        }
        Err(Fault::NoSunSpec)
    }
}

async fn walk(
    link: &mut Link,
    models: &SunSpec,
    base: u16,
    positive: Direction,
) -> Result<Device, Fault> {
    let broken = |address, what| Fault::BrokenModels { address, what };
    let (mut id, mut maker) = (Vec::new(), None);
    let mut address = base
        .checked_add(2)
        .ok_or_else(|| broken(base, "it ends at the last register"))?;
    for _ in 0..MOST_MODELS {
        let head = link.read(holding(address, 2)).await?;
        let [model, length] = *head else {
            return Err(Fault::NoMeterModel);
        };
        if model == END {
            return Err(Fault::NoMeterModel);
        }
        let next = length
            .checked_add(2)
            .and_then(|whole| address.checked_add(whole))
            .ok_or_else(|| broken(address, "a model reaches beyond the last register"))?;
        if model == models.common.model {
            let common = &models.common;
            maker = read_text(link, address, length, common.maker).await?;
            id = read_text(link, address, length, common.serial)
                .await?
                .unwrap_or_default();
        } else if let Some(meter) = models.meter(model) {
            if length < meter.length {
                return Err(broken(address, "a meter model is too short"));
            }
            let registers = absolute(&meter.registers, address)
                .ok_or_else(|| broken(address, "a model reaches beyond the last register"))?;
            // Within a model everything may be read, so gaps cost nothing but bytes.
            let mut device = Device::new(
                registers,
                NotAvailable::Smallest,
                positive,
                (MAX_BLOCK, MAX_BLOCK),
            );
            device.id = id;
            device.maker = maker;
            return Ok(device);
        }
        address = next;
    }
    Err(broken(address, "it has no end"))
}

/// A text of the model at `address`; `None` if the model is too short for it, or has none there.
async fn read_text(
    link: &mut Link,
    address: u16,
    length: u16,
    place: Text,
) -> Result<Option<Vec<u8>>, Fault> {
    let fits = u32::from(place.address) + u32::from(place.registers) <= u32::from(length) + 2;
    let Some(first) = address.checked_add(place.address).filter(|_| fits) else {
        return Ok(None);
    };
    Ok(text(&link.read(holding(first, place.registers)).await?))
}

/// The registers of a model that begins at `start`; `None` if they reach beyond the last register.
fn absolute(registers: &[Register], start: u16) -> Option<Vec<Register>> {
    let moved = |register: &Register| {
        Some(Register {
            address: start.checked_add(register.address)?,
            scale_register: match register.scale_register {
                Some(address) => Some(start.checked_add(address)?),
                None => None,
            },
            ..*register
        })
    };
    registers.iter().map(moved).collect()
}
