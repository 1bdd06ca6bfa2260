//! The grammar of `holdline user` and `holdline registration`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Add a user; the password comes from standard input, unless said otherwise
    Add(UserAddArgs),
    /// List users
    List {
        /// Users at most, 1 to 1000
        #[arg(long)]
        limit: Option<usize>,
        /// Go on where the last list ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one user
    Show {
        /// user@domain
        aor: String,
    },
    /// Remove a user and end its registrations
    Remove {
        /// user@domain
        aor: String,
    },
    /// Add users from lines of user@domain,password[,tenant]
    Import {
        /// The file
        file: PathBuf,
        /// Replace users that there are already
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct UserAddArgs {
    /// user@domain
    pub(in crate::cli) aor: String,
    /// Whose calls those are that it makes
    #[arg(long)]
    pub(in crate::cli) tenant: Option<String>,
    /// Devices that it may register at a time
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(in crate::cli) max_bindings: Option<u16>,
    /// Replace the user if there is one
    #[arg(long)]
    pub(in crate::cli) replace: bool,
    #[command(flatten)]
    pub(in crate::cli) password: PasswordArgs,
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct PasswordArgs {
    /// Read the password from a file
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Make a password and print it, once
    #[arg(long)]
    pub(in crate::cli) generate: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RegistrationCommand {
    /// List where users are registered
    List {
        /// Users at most, 1 to 1000
        #[arg(long)]
        limit: Option<usize>,
        /// Go on where the last list ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show where one user is registered
    Show {
        /// user@domain
        aor: String,
    },
    /// End a user's registrations; its devices may register again
    Remove {
        /// user@domain
        aor: String,
        /// Only the binding with this key
        #[arg(long)]
        key: Option<String>,
    },
}
