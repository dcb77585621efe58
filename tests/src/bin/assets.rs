//! Writes what packages ship besides the programs: manual pages and completions for shells, made of
//! the very definitions that the programs parse their command lines with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Command, Parser};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// Write manual pages (`DIR/man`) and completions (`DIR/bash`, `DIR/zsh`, `DIR/fish`).
#[derive(Debug, Parser)]
#[command(name = "assets")]
struct Options {
    /// Where to; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let folder = Options::parse().folder;
    for program in [
        dcnet_gateway::cli::command(),
        dcnet_provider::cli::command(),
    ] {
        if let Err(error) = write(&program, &folder) {
            eprintln!("error: cannot write below {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(program: &Command, folder: &Path) -> io::Result<()> {
    let pages = folder.join("man");
    fs::create_dir_all(&pages)?;
    let name = program.get_name();
    // `help` has nothing to say that the pages do not.
    let mut built = program.clone().disable_help_subcommand(true);
    built.build();
    let version = program.get_version().unwrap_or_default();
    write_pages(built, &format!("{name} {version}"), &pages)?;
    for (shell, kind) in [
        ("bash", Shell::Bash),
        ("zsh", Shell::Zsh),
        ("fish", Shell::Fish),
    ] {
        let folder = folder.join(shell);
        fs::create_dir_all(&folder)?;
        let script = generate_to(kind, &mut program.clone(), name, &folder)?;
        if kind == Shell::Bash {
            // The generator takes the hyphen of a program's name for the border of a subcommand in some
            // places and not in others, and the script would find no option of any.
            let text = fs::read_to_string(&script)?;
            let (wrong, right) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
            fs::write(&script, text.replace(&wrong, &right))?;
        }
    }
    Ok(())
}

/// A page for the command and one for each of its subcommands, all of `source`.
fn write_pages(command: Command, source: &str, folder: &Path) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub.clone(), source, folder)?;
    }
    let notes = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string);
    let page = Man::new(
        command
            .after_help(Resettable::Reset)
            .after_long_help(Resettable::Reset),
    )
    .source(source)
    .manual("DC net metering")
    .date(" "); // none, so that the same source gives the same page
    let mut text = Vec::new();
    page.render(&mut text)?;
    if let Some(notes) = notes {
        // Its lines are laid out already: examples, lists, files in YAML.
        let mut roff = Roff::new();
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in notes.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        text.extend(roff.render().into_bytes());
    }
    fs::write(folder.join(page.get_filename()), text)
}
