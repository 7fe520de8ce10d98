//! `tlscensus man`: the manual, one page of all commands.

use std::io::{self, Write as _};

use clap::Command;
use clap_mangen::Man;

/// The page, as the source that `man` reads.
pub(super) fn page(mut command: Command) -> io::Result<Vec<u8>> {
    // From here on each command knows its whole name.
    command.build();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command, &mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A section for each command below one.
fn commands(above: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in above.get_subcommands().filter(|one| one.get_name() != "help") {
        let man = Man::new(command.clone());
        let mut parts = Vec::new();
        man.render_synopsis_section(&mut parts)?;
        man.render_description_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        if command.get_after_help().is_some() {
            man.render_extra_section(&mut parts)?;
            // Examples are lines that are typed.
            writeln!(parts, ".fi")?;
        }
        let parts = String::from_utf8_lossy(&parts);
        let parts = parts.replace("\n.SH EXTRA\n", "\n.PP\n.nf\n").replace("\n.SH ", "\n.SS ");
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        writeln!(page, ".SH \"{}\"\n{parts}", name.to_uppercase())?;
        commands(command, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::args::Args;
    use super::*;

    #[test]
    fn it_tells_every_option_of_every_command_and_of_no_other_page() {
        let text = String::from_utf8(page(Args::command()).unwrap()).unwrap();
        let text = text.replace('\\', "");
        let mut command = Args::command();
        command.build();
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let section = format!(".SH \"TLSCENSUS {}\"\n", one.get_name().to_uppercase());
            let (_, section) = text.split_once(&section).unwrap();
            let (section, _) = section.split_once("\n.SH ").unwrap();
            for long in one.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(section.contains(&format!("--{long}")), "{}: --{long}", one.get_name());
            }
        }
        assert!(text.contains(".SH \"TLSCENSUS POLICY SHOW\"\n"));
        assert!(
            text.contains("\n  tlscensus read monday.pcap\n"),
            "an example on a line of its own"
        );
        assert!(!text.contains("(1)"), "there is no other page");
    }
}
