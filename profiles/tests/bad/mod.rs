//! A sound profile, and what can be wrong in it.

/// A sound profile.
pub(crate) const GOOD: &str = "\
meter:
  name: cellar
  source:
    sml:
      device: /dev/ttyUSB0
evaluation:
  taf: 7
  slots:
    - obis: 1.8.0
      unit: Wh
      scale: -1
    - obis: 2.8.0
      unit: Wh
      scale: -1
communication:
  provider: https://provider.example
  net: quarter-7
  provider_ca: ca.pem
  tls:
    certificate: tls.pem
    key: tls.key
  signature:
    certificate: sig.pem
    key: sig.key
  accept:
    min_size: 100
state: state
";

/// (text replaced, by what, message)
pub(crate) const CASES: &[(&str, &str, &str)] = &[
    (
        "  name: cellar\n",
        "  name: cellar\n  nmae: x\n",
        "p.yaml:3:3: meter: unknown field `nmae`, expected one of `name`, `device`, `source`, `sources`, `obis`; remove this key or correct its spelling",
    ),
    (
        "  name: cellar\n",
        "  name: cellar\n  name: attic\n",
        "p.yaml:2:3: meter: duplicate field `name`; remove one of the two",
    ),
    (
        "      device: /dev/ttyUSB0\n",
        "      baud: 9600\n",
        "p.yaml:5:7: meter.source.sml: missing field `device`; add this key, the samples in the catalogue show each one",
    ),
    (
        "state: state\n",
        "state: state\nhome:\n  page: true\n",
        "p.yaml:29:9: home.page: invalid type: boolean `true`, expected keys of the page, such as password_file, or {} for none; correct the value",
    ),
    (
        "state: state\n",
        "state: state\nhome:\n  page: { listen: \"8480\" }\n",
        "p.yaml:29:19: home.page.listen: is an address in digits and a port, as in 127.0.0.1:8480",
    ),
    (
        "state: state\n",
        "state: state\nhome:\n  page: { listen: \"0.0.0.0:8480\" }\n",
        "p.yaml:1:1: home.page: listen: 0.0.0.0:8480 can be reached from other machines, and the page shows readings: state password_file or clients, or listen on 127.0.0.1",
    ),
    (
        "state: state\n",
        "",
        "p.yaml:1:1: missing field `state`; add this key, the samples in the catalogue show each one",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      baud: fast\n",
        "p.yaml:6:13: meter.source.sml.baud: invalid type: string \"fast\", expected a whole number from 300 to 921600; correct the value",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      data_bits: 9\n",
        "p.yaml:6:18: meter.source.sml.data_bits: invalid value: integer `9`, expected a whole number from 7 to 8; correct the value",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      parity: mark\n",
        "p.yaml:6:15: meter.source.sml.parity: unknown variant `mark`, expected one of `none`, `even`, `odd`",
    ),
    (
        "obis: 1.8.0",
        "obis: 1.8",
        "p.yaml:9:13: evaluation.slots[0].obis: ",
    ),
    (
        "obis: 2.8.0",
        "obis: 1.8.0",
        "p.yaml:12:13: evaluation.slots[1].obis: 1-0:1.8.0*255 stands twice; a code has one slot, remove one",
    ),
    (
        "unit: Wh",
        "unit: kWh",
        "p.yaml:10:13: evaluation.slots[0].unit: ",
    ),
    (
        "scale: -1",
        "scale: 0.1",
        "p.yaml:11:14: evaluation.slots[0].scale: invalid type: floating point `0.1`, expected a power of ten from -9 to 9 (-1 counts tenths, 3 thousands of the unit); correct the value",
    ),
    (
        "taf: 7",
        "taf: 15",
        "p.yaml:7:8: evaluation.taf: invalid value: integer `15`, expected 7 (a series of readings), 9 (feed-in), 10 (state of the grid) or 14 (high frequency), the use cases evaluated for a net; correct the value",
    ),
    (
        "taf: 7",
        "taf: 2",
        "p.yaml:7:8: evaluation.taf: TAF-2 is for the bill and stays on the gateway: it belongs under `tariffs:`",
    ),
    (
        "taf: 7",
        "taf: 10",
        "p.yaml:9:13: evaluation.slots[0].obis: `method: advance` does not belong to TAF-10; it has value, minimum, maximum, mean, count",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      method: mean\n",
        "p.yaml:12:13: evaluation.slots[1].obis: `method: mean` does not belong to TAF-7; it has advance, value",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      meter: attic\n",
        "p.yaml:12:7: evaluation.slots[1]: reads the meter attic, the profile has cellar; correct the name",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      meters: [cellar, cellar]\n",
        "p.yaml:13:15: evaluation.slots[1].meters: names a meter twice; remove one",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      meters: [cellar]\n      meter: cellar\n",
        "p.yaml:13:15: evaluation.slots[1].meters: stands beside `meter`; keep one of the two",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      clip: { min: 5, max: 4 }\n",
        "p.yaml:13:13: evaluation.slots[1].clip: has a `min` above its `max`; turn them",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      clip: {}\n",
        "p.yaml:13:13: evaluation.slots[1].clip: has neither `min` nor `max`; give one of them",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      above: 5\n",
        "p.yaml:12:13: evaluation.slots[1].obis: `method: count` goes with `above` or `below`, and no other method does",
    ),
    (
        "    - obis: 2.8.0\n",
        "    - obis: 2.8.0\n      status: ftz\n",
        "p.yaml:13:15: evaluation.slots[1].status: unknown variant `ftz`, expected one of `none`, `fnn`, `edl`",
    ),
    (
        "taf: 7\n  slots:\n",
        "taf: 9\n  slots:\n    - { obis: 1.7.0, unit: W, scale: 0 }\n",
        "p.yaml:9:15: evaluation.slots[0].obis: feed-in is read from 16.7.0 or 2.7.0; correct the code or the method",
    ),
    (
        "taf: 7\n  slots:\n",
        "taf: 14\n  slots:\n    - { obis: 32.7.0, unit: V, scale: 0, method: count, above: 253, below: 207 }\n",
        "p.yaml:9:76: evaluation.slots[0].below: stands beside `above`; a count has one of the two, give the other a slot of its own",
    ),
    (
        "taf: 7\n  slots:\n",
        "taf: 14\n  slots:\n    - { obis: 32.7.0, unit: V, scale: 0, method: minimum, meters: [cellar, attic] }\n",
        "p.yaml:9:67: evaluation.slots[0].meters: has several meters, whose extremes are not those of their sum; give each meter its own net, or take the mean",
    ),
    (
        "https://",
        "http://",
        "p.yaml:16:13: communication.provider: \"http://provider.example\" does not begin with https://; readings go over HTTPS only",
    ),
    (
        "net: quarter-7",
        "net: quarter 7",
        "p.yaml:17:8: communication.net: character 8 of the name is not allowed: use letters, digits, '.', '_' and '-', beginning with a letter or digit",
    ),
    (
        "net: quarter-7\n",
        "net: quarter-7\n  descriptor: 00ff\n",
        "p.yaml:18:15: communication.descriptor: has 2 bytes, 32 are needed",
    ),
    (
        "min_size: 100",
        "min_size: 3",
        "p.yaml:26:15: communication.accept.min_size: invalid value: integer `3`, expected a whole number from 4 to 4294967295; correct the value",
    ),
    (
        "min_size: 100",
        "allow_resend: 1",
        "p.yaml:26:19: communication.accept.allow_resend: invalid type: integer `1`, expected a boolean; correct the value",
    ),
    (
        "    min_size: 100\n",
        "    cosignatures: 1\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: 1 cosignatures are demanded of 0 witnesses",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-2\n        key: \"026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n    cosignatures: 3\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: 3 cosignatures are demanded of 2 witnesses",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-1\n        key: \"026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: the witness w-1 is listed twice",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-2\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: the witnesses w-1 and w-2 have the same key",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w 1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:27:15: communication.accept.witnesses[0].name: character 2 of the name is not allowed: use letters, digits, '.', '_' and '-', beginning with a letter or digit",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"000000000000000000000000000000000000000000000000000000000000000000\"\n",
        "p.yaml:28:14: communication.accept.witnesses[0].key: this is no public key on the curve P-256",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"04\"\n",
        "p.yaml:28:14: communication.accept.witnesses[0].key: has 1 bytes, 33 are needed",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n        url: x\n",
        "p.yaml:29:9: communication.accept.witnesses[0]: unknown field `url`, expected `name` or `key`; remove this key or correct its spelling",
    ),
    (
        "    min_size: 100\n",
        "    cosignatures: 33\n",
        "p.yaml:26:19: communication.accept.cosignatures: invalid value: integer `33`, expected a whole number from 0 to 32; correct the value",
    ),
    (
        "key: tls.key",
        "key: ''",
        "p.yaml:21:10: communication.tls.key: is empty; give a path",
    ),
    (
        "  name: cellar",
        "\tname: cellar",
        "p.yaml:2:1: found character that cannot start any token, while scanning for the next token",
    ),
];

/// A tariff of TAF-2, from line 14 of the profile on.
pub(crate) const TARIFF: &str = "\
tariffs:
  - name: day-night
    taf: 2
    obis: 1.8.0
    unit: Wh
    scale: -1
    stages: [high, low]
    days:
      - name: all
        switches:
          - { at: \"00:00\", stage: low }
          - { at: \"06:00\", stage: high }
    seasons:
      - from: \"01-01\"
        week: [all, all, all, all, all, all, all]
    special_days:
      - { date: \"12-25\", day: all }
    customer: \"44332211\"
    supplier: North & South
communication:";

/// (text replaced in the tariff, by what, message)
pub(crate) const TARIFF_CASES: &[(&str, &str, &str)] = &[
    (
        "taf: 2",
        "taf: 7",
        "p.yaml:17:10: tariffs[0].taf: TAF-7 is evaluated for a net: it belongs under `evaluation:`",
    ),
    (
        "taf: 2",
        "taf: 3",
        "p.yaml:17:10: tariffs[0].taf: invalid value: integer `3`, expected 1 (a value per period), 2 (stages by time) or 6 (daily values), the use cases kept for the bill; correct the value",
    ),
    (
        "taf: 2",
        "taf: 1",
        "p.yaml:21:13: tariffs[0].stages: belongs to TAF-2, which has stages; remove it or set taf: 2",
    ),
    (
        "taf: 2\n",
        "taf: 2\n    zone: Europe/Bonn\n",
        "p.yaml:18:11: tariffs[0].zone: \"Europe/Bonn\" is no time zone of the IANA database; write one as Europe/Berlin",
    ),
    (
        "taf: 2\n",
        "taf: 2\n    months: 5\n",
        "p.yaml:18:13: tariffs[0].months: has to divide the year: 1, 2, 3, 4, 6 or 12",
    ),
    (
        "taf: 2\n",
        "taf: 2\n    meter: attic\n",
        "p.yaml:18:12: tariffs[0].meter: the profile has cellar; correct the name",
    ),
    (
        "stages: [high, low]",
        "stages: [high, high]",
        "p.yaml:17:10: tariffs[0].taf: TAF-2 has 1 to 48 `stages`, each with its own name of 1 to 64 bytes",
    ),
    (
        "North & South",
        "\"\"",
        "p.yaml:33:15: tariffs[0].supplier: has to be a line of 1 to 64 characters, without spaces at its ends",
    ),
    (
        "\"44332211\"",
        "\"44332211 \"",
        "p.yaml:32:15: tariffs[0].customer: has to be a line of 1 to 64 characters, without spaces at its ends",
    ),
    (
        "\"44332211\"",
        "\"4433\\t2211\"",
        "p.yaml:32:15: tariffs[0].customer: has to be a line of 1 to 64 characters, without spaces at its ends",
    ),
    (
        "06:00",
        "06:10",
        "p.yaml:26:19: tariffs[0].days[0].switches[1].at: \"06:10\" is not a quarter of an hour as 06:00 or 21:45, from 00:00 to 23:45",
    ),
    (
        "00:00",
        "07:00",
        "p.yaml:25:11: tariffs[0].days[0].switches: begins at \"00:00\" and ascends; correct the order",
    ),
    (
        "stage: high",
        "stage: middle",
        "p.yaml:25:11: tariffs[0].days[0].switches: there is no stage middle; add it to `stages`",
    ),
    (
        "01-01",
        "02-30",
        "p.yaml:28:15: tariffs[0].seasons[0].from: \"02-30\" is not a day of the year as 12-25 (month, day)",
    ),
    (
        "[all, all, all, all, all, all, all]",
        "[all, all, all, all, all, all, sunday]",
        "p.yaml:29:15: tariffs[0].seasons[0].week: there is no day profile sunday; add it to `days`",
    ),
    (
        "all, all]\n",
        "all]\n",
        "p.yaml:29:15: tariffs[0].seasons[0].week: invalid length 6, expected an array of length 7",
    ),
    (
        "all, all]\n",
        "all, all, all]\n",
        "p.yaml:29:15: tariffs[0].seasons[0].week: invalid length 8, expected sequence of 7 elements",
    ),
    (
        "12-25",
        "25.12.",
        "p.yaml:31:17: tariffs[0].special_days[0].date: \"25.12.\" is not a day as 2026-04-03, or as 12-25 for every year",
    ),
    (
        "day: all",
        "day: feast",
        "p.yaml:31:31: tariffs[0].special_days[0].day: there is no day profile feast; add it to `days`",
    ),
    (
        "communication:",
        "  - { name: day-night, taf: 1, obis: 1.8.0, unit: Wh, scale: 0 }\ncommunication:",
        "p.yaml:34:13: tariffs[1].name: stands twice; every tariff has its own name",
    ),
];
