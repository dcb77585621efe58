//! Rules that an owner adds.

use dcnet_obis::ObisCode;
use dcnet_obis::sml::{Catalog, Decoder};

use crate::quirks::file_with;

#[test]
fn an_owner_adds_a_rule_for_a_meter_that_no_catalogue_has() {
    let own = "HLY\t12345678\tDTZ251\tsign-in-status\t\
               code=16.7.0 register=1.8.0 bit=11\tmy own meter\n";
    let catalog = Catalog::built_in().extended(own).unwrap();
    let power = |catalog: &Catalog, serial: u32, status: &[u8]| {
        let id = [b"\x0a\x01HLY\x00".as_slice(), &serial.to_be_bytes()].concat();
        let register = [
            b"\x77\x07\x01\x00\x01\x08\x00\xff".as_slice(),
            status,
            b"\x01\x62\x1e\x52\xff\x63\x10\x00\x01",
        ];
        let power = b"\x77\x07\x01\x00\x10\x07\x00\xff\x01\x01\x62\x1b\x52\x00\x63\x01\x5e\x01";
        let bytes = file_with(&id, &[&register.concat(), power]);
        let mut got = Decoder::with_catalog(catalog).push(&bytes);
        let telegram = got.pop().unwrap().unwrap();
        telegram.number(ObisCode::ACTIVE_POWER).unwrap().to_string()
    };
    let (taking, giving) = (b"\x64\x1c\x01\x04", b"\x64\x1d\x49\x04");
    assert_eq!(power(&catalog, 12_345_678, giving), "-350");
    assert_eq!(power(&catalog, 12_345_678, taking), "350");
    assert_eq!(power(&catalog, 12_345_679, giving), "350");
    assert_eq!(power(Catalog::built_in(), 12_345_678, giving), "350");
    // The built-in rules are still there, unless they are left out.
    let dzg = |catalog: &Catalog| {
        let entry = b"\x77\x07\x01\x00\x10\x07\x00\xff\x01\x01\x62\x1b\x52\xfe\x53\x8b\x28\x01";
        let bytes = file_with(b"\x0a\x01DZG\x00\x02\x80\xde\x81", &[entry]);
        let mut got = Decoder::with_catalog(catalog).push(&bytes);
        let telegram = got.pop().unwrap().unwrap();
        telegram.number(ObisCode::ACTIVE_POWER).unwrap().to_string()
    };
    assert_eq!(dzg(&catalog), "356.24");
    assert_eq!(dzg(&Catalog::parse(own).unwrap()), "-299.12");
}
