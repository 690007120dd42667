// Package adopt reads what other migration tools left behind: the history in a database (goose, golang-migrate, a bare user_version) and the
// files in a folder, which it writes anew in our format.
//
// It only reads. Whoever imports writes the files of [Import] to a folder, and lets the migrator take the database over at [Imported].At:
// the migrator compares the schema that those files build with the one that is there, keeps a copy, and rewrites nothing.
package adopt
