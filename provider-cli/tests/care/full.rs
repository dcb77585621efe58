//! A backup for which there is no room.

use std::process::Command;

use super::common::{Lab, on_both};

on_both!(a_backup_without_room_says_so_and_leaves_nothing, beside others);
async fn a_backup_without_room_says_so_and_leaves_nothing(lab: Lab) {
    lab.create_net("elbe-5");
    let folder = lab.path("backups");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("night.dcnet");
    // What is written beyond a limit fails, as it does where there is no room: another number, the same end.
    // Below 32 KiB it would be the store itself that cannot be read.
    let limited = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    for blocks in ["40", "100", "200"] {
        let mut shell = Command::new("bash");
        shell.args(["-c", limited, blocks, env!("CARGO_BIN_EXE_dcnet")]);
        shell.args(["store", "backup", file.to_str().unwrap()]);
        let output = shell.args(["--store", lab.store.location()]).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{blocks}: {text}");
        let begins = format!("dcnet: the backup {} was not written", file.display());
        assert!(text.starts_with(&begins), "{blocks}: {text}");
        assert!(!text.contains("version"), "{blocks}: {text}");
        assert_eq!(text.lines().count(), 1, "{blocks}: {text}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{blocks}");
    }
    let args = ["store", "backup", file.to_str().unwrap()];
    super::ok(&lab.dcnet(&args));
}
