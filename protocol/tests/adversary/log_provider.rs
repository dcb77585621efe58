//! The provider's side of the membership log, towards members that ask for what is not there.
