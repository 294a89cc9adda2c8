DROP TABLE invitations;
DROP TABLE address_proofs;
DROP INDEX users_unverified;
ALTER TABLE users DROP COLUMN verified_at;
