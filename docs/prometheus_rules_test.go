package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// firing are series that rules are to fire on, and series that they are not to fire on.
const firing = `rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'engine_snapshot_age_seconds{instance="ill"}', values: '0+60x60'}
      - {series: 'engine_snapshot_age_seconds{instance="well"}', values: '200x60'}
      - {series: 'engine_disk_free_bytes{instance="ill"}', values: '20000000000-100000000x60'}
      - {series: 'engine_disk_free_bytes{instance="full"}', values: '100000000x60'}
      - {series: 'engine_disk_free_bytes{instance="well"}', values: '20000000000-1000x60'}
      - {series: 'engine_quarantine{instance="ill"}', values: '0x4 1x60'}
      - {series: 'engine_quarantine{instance="well"}', values: '0x60'}
      - {series: 'engine_migration_failed{instance="ill"}', values: '0x4 1x10 0x50'}
      - {series: 'engine_migration_failed{instance="well"}', values: '0x60'}
    promql_expr_test:
      - {expr: 'count by (alertname, instance) (ALERTS{alertstate="firing", alertname=~"Tidegate(ReaderPinned|DatabaseQuarantined|MigrationFailed)"})', eval_time: 4m, exp_samples: []}
      - expr: 'count by (alertname, instance) (ALERTS{alertstate="firing", alertname=~"Tidegate(ReaderPinned|DiskFullIn24h|DatabaseQuarantined|MigrationFailed)"})'
        eval_time: 10m
        exp_samples:
          - {labels: '{alertname="TidegateReaderPinned", instance="ill"}', value: 1}
          - {labels: '{alertname="TidegateDatabaseQuarantined", instance="ill"}', value: 1}
          - {labels: '{alertname="TidegateMigrationFailed", instance="ill"}', value: 1}
      - expr: 'count by (alertname, instance) (ALERTS{alertstate="firing", alertname=~"Tidegate(ReaderPinned|DiskFullIn24h|DatabaseQuarantined|MigrationFailed)"})'
        eval_time: 50m
        exp_samples:
          - {labels: '{alertname="TidegateReaderPinned", instance="ill"}', value: 1}
          - {labels: '{alertname="TidegateDiskFullIn24h", instance="ill"}', value: 1}
          - {labels: '{alertname="TidegateDiskFullIn24h", instance="full"}', value: 1}
          - {labels: '{alertname="TidegateDatabaseQuarantined", instance="ill"}', value: 1}
`

// TestRulesFire has Prometheus itself run the rules over series of a database that is ill and of one that is well.
func TestRulesFire(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: apt-get install prometheus runs this test")
	}
	dir := t.TempDir()
	rules, err := os.ReadFile("prometheus-rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"rules.yml": string(rules), "firing.yml": firing} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "firing.yml"}} {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
