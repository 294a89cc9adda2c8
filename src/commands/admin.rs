//! `hotshelf admin`: creates an admin, who can then add all other users, and does what operators do without a session.

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;
use hotshelf_domain::{Actor, Email, Invalid, Organization, OrganizationId, OrganizationPatch, Role, new_password};

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
    /// List all organizations
    Organizations,
    /// Suspend an organization: nobody who belongs to it is let in
    Suspend {
        /// Its id
        #[arg(value_parser = organization_id)]
        organization: OrganizationId,
    },
    /// Resume a suspended organization
    Resume {
        /// Its id
        #[arg(value_parser = organization_id)]
        organization: OrganizationId,
    },
    /// Delete an organization with its users, products and schemas
    DeleteOrganization {
        /// Its id
        #[arg(value_parser = organization_id)]
        organization: OrganizationId,
    },
    /// Remove a user of any organization; the e-mail address becomes free
    RemoveUser {
        /// The user's e-mail address
        #[arg(long)]
        email: String,
    },
}

impl Admin {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Admin::Create { email } => create(email, config).await,
            Admin::Organizations => list(config).await,
            Admin::Suspend { organization } => suspend(*organization, true, config).await,
            Admin::Resume { organization } => suspend(*organization, false, config).await,
            Admin::DeleteOrganization { organization } => delete(*organization, config).await,
            Admin::RemoveUser { email } => remove(email, config).await,
        }
    }
}

fn organization_id(text: &str) -> Result<OrganizationId, String> {
    let id = text.parse().ok().and_then(OrganizationId::new);
    id.ok_or_else(|| "must be a positive integer".to_owned())
}

async fn list(config: &Config) -> Result<(), Failure> {
    let catalogue = wiring::catalogue(config).await?;
    let repository = catalogue.repository.clone();
    let organizations = async { Ok(repository.organizations().await?) };
    let organizations = wiring::run(catalogue.container, organizations).await?;
    let line = |organization: &Organization| {
        let state = if organization.suspended { " (suspended)" } else { "" };
        // A name may have lines of its own.
        format!("{}\t{:?}{state}\n", organization.id, organization.name)
    };
    print(&organizations.iter().map(line).collect::<String>())
}

async fn suspend(organization: OrganizationId, suspended: bool, config: &Config) -> Result<(), Failure> {
    let mut catalogue = wiring::catalogue(config).await?;
    let auth = catalogue.users(config).await?;
    let patch = OrganizationPatch { suspended: Some(suspended), quotas: None };
    let change = async { Ok(auth.change_organization(organization, patch, Actor::command_line()).await?) };
    let changed = wiring::run(catalogue.container, change).await?;
    print(&format!("organization {} is {}\n", changed.id, if suspended { "suspended" } else { "resumed" }))
}

async fn delete(organization: OrganizationId, config: &Config) -> Result<(), Failure> {
    let mut catalogue = wiring::catalogue(config).await?;
    let auth = catalogue.users(config).await?;
    let products = catalogue.products.clone();
    let end = async {
        auth.end_organization(organization, Actor::command_line()).await?;
        Ok(products.finish_organization(organization, &Actor::command_line()).await?)
    };
    wiring::run(catalogue.container, end).await?;
    print(&format!("organization {organization} is deleted\n"))
}

async fn remove(email: &str, config: &Config) -> Result<(), Failure> {
    // Also an address that could not be chosen today.
    if Email::spellings(email).is_empty() {
        return Err(wrong("--email", "must be an e-mail address".to_owned()));
    }
    let mut catalogue = wiring::catalogue(config).await?;
    let auth = catalogue.users(config).await?;
    let remove = async {
        let nobody = || wrong("--email", format!("is {email}, which nobody has"));
        let user = auth.holder(email).await?.ok_or_else(nobody)?;
        auth.remove_any_user(user.id, Actor::command_line()).await?;
        Ok(user.id)
    };
    let user = wiring::run(catalogue.container, remove).await?;
    print(&format!("user {user} is removed\n"))
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
