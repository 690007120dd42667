package diagnose

// cause is something that can be wrong.
type cause struct {
	id, means string
	look      func(*scene) finding
}

// causes are looked at in this order; of two that explain as much the first is taken.
var causes = []cause{
	{"disk_slow", "COMMIT, which waits for the disk's sync, takes much longer than usual.", diskSlow},
	{"writer_held", "A transaction holds the writer while it does something else: it sleeps, computes, or calls somebody.", writerHeld},
	{"heavy_write", "Transactions hold the writer with statements that are much work.", heavyWrite},
	{"foreign_writer", "Another program writes to the database and holds its lock.", foreignWriter},
	{"plan_changed", "A statement takes many more steps than usual, because its plan is another one: an index or the statistics are gone.", planChanged},
	{"data_growth", "A statement takes more steps, in proportion to its table, which has grown.", dataGrowth},
	{"skewed_bindings", "A statement takes more steps with the same plan, and its table has not grown: it is asked for other values, that many rows have.", skewedBindings},
	{"cold_cache", "Statements take as many steps as usual, and read more from the disk.", coldCache},
	{"host_slow", "All statements are slower at the same number of steps: the machine is slow or busy with something else.", hostSlow},
	{"plugin_slow", "Plug-ins take much of the time.", pluginSlow},
	{"load", "More is asked than usual.", loadGrown},
	{"pool_held", "Open rows and Views hold all connections of a lane, and others wait for one.", poolHeld},
	{"long_reader", "A snapshot that is held keeps the log from being reset.", longReader},
	{"foreign_reader", "A reader of another program keeps the log from being reset.", foreignReader},
	{"device_failed", "The disk fails: the operating system reports errors of input and output.", deviceFailed},
	{"disk_full", "There is no space left, or the quota is used up.", diskFull},
	{"disk_filling", "Free space goes down, and will be gone.", diskFilling},
	{"cannot_open", "Connections cannot be opened: permissions, or the limit of open files.", cannotOpen},
	{"statement_fatal", "A statement takes its connection with it, time and again.", statementFatal},
	{"file_damaged", "The database file is damaged.", fileDamaged},
	{"file_moved", "The database file was moved, replaced or removed while it was open.", fileMoved},
	{"migration_failed", "A migration failed.", migrationFailed},
	{"plugin_faults", "A plug-in failed so often that it is out of service.", pluginFaults},
	{"rows_rejected", "Rules refuse rows.", rowsRejected},
	{"caller_errors", "Callers make mistakes: wrong SQL, wrong arguments, rows that constraints refuse.", callerErrors},
	{"overloaded", "Calls are turned away, because more is asked than can be done.", overloaded},
	{"telemetry_store", "Metrics or slow statements cannot be stored.", telemetryStore},
	{"exporter_behind", "Spans are dropped: whoever takes them does not keep up, or fails.", exporterBehind},
	{"stuck_statement", "A statement could not be stopped, and its connection was left behind.", stuckStatement},
}
