package sqldb

// Split is split, for its tests.
var Split = split
