//! The statements on invitations.

use diesel::prelude::*;
use hotshelf_domain::{Email, Invitation, InvitationId, NewInvitation, OrganizationId, TokenHash, UserId};

use super::Connection;
use super::columns::{now, role, time};
use crate::error::SqlError;
use crate::port::InvitationTx;
use crate::tables::invitations;

#[derive(Queryable, Selectable)]
#[diesel(table_name = invitations)]
struct Row {
    id: i64,
    email: String,
    organization_id: i64,
    founds: i64,
    role: String,
    invited_by: i64,
    created_at: i64,
    expires_at: i64,
}

fn from_row(row: Row) -> Result<Invitation, SqlError> {
    Ok(Invitation {
        id: InvitationId::from_row(row.id),
        email: Email::from_row(row.email),
        organization_id: OrganizationId::from_row(row.organization_id),
        new_organization: row.founds != 0,
        role: role(&row.role)?,
        invited_by: UserId::from_row(row.invited_by),
        created_at: time(row.created_at)?,
        expires_at: time(row.expires_at)?,
    })
}

impl InvitationTx for Connection {
    fn insert_invitation(&mut self, new: &NewInvitation) -> Result<Invitation, SqlError> {
        let row = (
            invitations::token_hash.eq(&new.token_hash[..]),
            invitations::email.eq(new.email.as_str()),
            invitations::organization_id.eq(new.organization.get()),
            invitations::founds.eq(i64::from(new.new_organization)),
            invitations::role.eq(new.role.as_str()),
            invitations::invited_by.eq(new.invited_by.get()),
            invitations::created_at.eq(now()),
            invitations::expires_at.eq(new.expires_at.timestamp_millis()),
        );
        let inserted = diesel::insert_into(invitations::table).values(row).returning(Row::as_returning());
        from_row(inserted.get_result(self)?)
    }

    fn invitation_of(&mut self, token_hash: &TokenHash) -> Result<Option<Invitation>, SqlError> {
        let query = invitations::table
            .filter(invitations::token_hash.eq(&token_hash[..]))
            .filter(invitations::expires_at.gt(now()))
            .select(Row::as_select());
        query.first(self).optional()?.map(from_row).transpose()
    }

    fn count_invitations(&mut self, organization: OrganizationId) -> Result<i64, SqlError> {
        Ok(valid(organization).count().get_result(self)?)
    }

    fn delete_invitation(&mut self, organization: OrganizationId, id: InvitationId) -> Result<bool, SqlError> {
        let own = invitations::table.find(id.get()).filter(invitations::organization_id.eq(organization.get()));
        Ok(diesel::delete(own).execute(self)? > 0)
    }

    fn delete_invitations_by(&mut self, user: UserId) -> Result<(), SqlError> {
        diesel::delete(invitations::table.filter(invitations::invited_by.eq(user.get()))).execute(self)?;
        Ok(())
    }

    fn invitations_of(&mut self, organization: OrganizationId) -> Result<Vec<Invitation>, SqlError> {
        let query = valid(organization).order(invitations::id).select(Row::as_select());
        query.load(self)?.into_iter().map(from_row).collect()
    }

    fn forget_ended_invitations(&mut self) -> Result<(), SqlError> {
        diesel::delete(invitations::table.filter(invitations::expires_at.le(now()))).execute(self)?;
        Ok(())
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn valid(organization: OrganizationId) -> _ {
    let (organization, now): (i64, i64) = (organization.get(), now());
    invitations::table.filter(invitations::organization_id.eq(organization)).filter(invitations::expires_at.gt(now))
}
