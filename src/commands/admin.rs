//! `hotshelf admin create`: creates an admin, who can then add all other users.

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;
use hotshelf_domain::{Actor, Email, Invalid, OrganizationId, Role, new_password};

use crate::config::Config;
use crate::failure::Failure;
use crate::{print, wiring};

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Create an admin of organization 1; the password is read from standard input
    Create {
        /// The e-mail address to log in with
        #[arg(long)]
        email: String,
    },
}

impl Admin {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Admin::Create { email } => create(email, config).await,
        }
    }
}

async fn create(email: &str, config: &Config) -> Result<(), Failure> {
    let email: Email = email.parse().map_err(|message| wrong("--email", message))?;
    let password = read_password().map_err(Failure::Password)?;
    let password = new_password(password).map_err(Failure::BadAdmin)?;
    let mut catalogue = wiring::catalogue(config).await?;
    let auth = catalogue.users(config).await?;
    let (organization, by) = (OrganizationId::BUILT_IN, Actor::command_line());
    let add = async { Ok(auth.add_user(organization, email, Role::Admin, Some(password), by).await?) };
    let admin = wiring::run(catalogue.container, add).await?;
    print(&format!("{} is user {}, an admin of organization {}\n", admin.email, admin.id, admin.organization_id))
}

/// Asks at a terminal, without echo; otherwise reads one line of standard input.
fn read_password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password (8 characters or more): ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn wrong(field: &str, message: String) -> Failure {
    Failure::BadAdmin(Invalid::one(field, &message))
}
