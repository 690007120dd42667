package lint

// Exceptions lists what may break a rule, and why.
func Exceptions() []Exception {
	return []Exception{
		{"name", "internal/compat/sqlc/ledger/models.go", "", "the name that sqlc gives to what it generates"},
		{"length", "config.go", "Config", "one section for each package that is configured; a drawer of sections would say less"},
		{"global", "sdk/guest_wasip1.go", "guest", "the exports of a module are functions, which have nothing else to hang their state on"},
		{"testname", "core/sqlite/traps_test.go", "", "one test for each trap of this build of SQLite; they belong to the package as a whole"},
		{"global", "internal/failpoint/failpoint_on.go", "armed", "read once from the environment, in programs that are built to be killed; there is one process to end"},
	}
}
