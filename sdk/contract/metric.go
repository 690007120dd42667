package contract

// Metric is what a plug-in has counted since the program began.
type Metric struct {
	// Plugin and Name say whose and what: the names are declared, so there are few of them.
	Plugin, Name string
	// Gauge goes up and down; a counter only grows.
	Gauge bool
	Value float64
}

// Metered is a Source that knows what its plug-ins count.
type Metered interface {
	// Metered lists the metrics of the plug-ins in service.
	Metered() []Metric
}
