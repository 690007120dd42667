// Package change sees the rows that transactions change, whatever SQL changes them, and has them judged before they are committed.
//
// SQLite tells of each row ahead of its change (the preupdate hook): those of many-row statements, of UPSERT and REPLACE, of triggers and of cascades.
// An [Enforcer] collects the rows of the tables that a rule watches, makes one net change of each, and asks the rule's validator once a statement, or once
// a transaction about what differs from its begin. A verdict that rejects undoes that caller's transaction and nobody else's, and the transaction stays
// dead whatever its closure returns. Nothing is hooked while nothing is watched.
//
// Where a validator fails its rows are refused, unless its rule says otherwise: nothing is committed that was not judged.
package change
