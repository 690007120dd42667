package suite

import (
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/history"
	"github.com/tidegate/engine/internal/torture/hostilefile"
	"github.com/tidegate/engine/internal/torture/hostilesql"
	"github.com/tidegate/engine/internal/torture/settings"
	"github.com/tidegate/engine/internal/torture/soak"
)

// hostile are the scenarios in which somebody means harm, or many things go wrong at once.
func hostile() []torture.Scenario {
	return []torture.Scenario{
		hostilesql.Scenario(),
		hostilefile.Scenario(),
		history.Scenario(),
		settings.Scenario(),
		soak.Scenario(),
	}
}
