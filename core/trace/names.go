package trace

import "go.opentelemetry.io/otel/attribute"

// Scope is the instrumentation scope of every span of the engine.
const Scope = "github.com/tidegate/engine"

// LinkReason is the attribute of a link that says why it is there.
const LinkReason = "engine.link"

// SchemaURL names the version of the semantic conventions whose names the spans use.
const SchemaURL = "https://opentelemetry.io/schemas/1.39.0"

// Attributes of the stable database conventions. They are written out here because the generated package of one version would tie every
// embedding program to that version.
const (
	keySystem       = attribute.Key("db.system.name")
	keyNamespace    = attribute.Key("db.namespace")
	keyText         = attribute.Key("db.query.text")
	keySummary      = attribute.Key("db.query.summary")
	keyOperation    = attribute.Key("db.operation.name")
	keyCollection   = attribute.Key("db.collection.name")
	keyBatch        = attribute.Key("db.operation.batch.size")
	keyRowsReturned = attribute.Key("db.response.returned_rows")
	keyStatusCode   = attribute.Key("db.response.status_code")
	keyErrorType    = attribute.Key("error.type")
)

// Attributes of the store.
const (
	keyFingerprint = attribute.Key("sqlite.fingerprint")
	keyRowsChanged = attribute.Key("sqlite.rows_changed")
	keyVMSteps     = attribute.Key("sqlite.vm_steps")
	keyFullScan    = attribute.Key("sqlite.fullscan_steps")
	keySorts       = attribute.Key("sqlite.sorts")
	keyAutoIndex   = attribute.Key("sqlite.autoindex")
	keyReprepares  = attribute.Key("sqlite.reprepares")
)

// Attributes of the engine. Times are whole microseconds.
const (
	keyLane       = attribute.Key("engine.lane")
	keyClass      = attribute.Key("engine.class")
	keyQueueWait  = attribute.Key("engine.queue.wait_us")
	keySlotWait   = attribute.Key("engine.slot.wait_us")
	keyRetries    = attribute.Key("engine.retries")
	keyGroup      = attribute.Key("engine.group.id")
	keyGroupSize  = attribute.Key("engine.group.size")
	keyTxName     = attribute.Key("engine.tx.name")
	keyTxKind     = attribute.Key("engine.tx.kind")
	keyStatements = attribute.Key("engine.tx.statements")
	keyOutcome    = attribute.Key("engine.tx.outcome")
	keyHold       = attribute.Key("engine.tx.hold_us")
	keyCommitWait = attribute.Key("engine.tx.commit_wait_us")
	keyDurable    = attribute.Key("engine.durable")
	keySync       = attribute.Key("engine.sync_us")
	keyLinkReason = attribute.Key(LinkReason)
	keyPromoted   = attribute.Key("engine.promoted")

	keyPluginCalls = attribute.Key("engine.plugin.calls")
	keyPluginTime  = attribute.Key("engine.plugin.time_us")
	keyPluginRows  = attribute.Key("engine.plugin.rows")
	keyPlugin      = attribute.Key("engine.plugin.name")
	keyPluginVer   = attribute.Key("engine.plugin.version")
)
