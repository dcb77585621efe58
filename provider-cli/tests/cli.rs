//! The texts of the command line. `TRYCMD=overwrite cargo test -p dcnet-provider --test cli`
//! writes them anew; look at the difference.

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.md");
}
