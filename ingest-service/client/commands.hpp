#pragma once
// The commands. Each adder declares its options and, where the command line chooses it, leaves what is to be done.

#include "client/verb.hpp"

namespace wardlink::command_line {

void add_latest(CLI::App& vitals, Command& chosen);
void add_history(CLI::App& vitals, Command& chosen);
void add_aggregate(CLI::App& vitals, Command& chosen);
void add_vitals_watch(CLI::App& vitals, Command& chosen);
void add_waveform(CLI::App& app, Command& chosen);
void add_alarms(CLI::App& alarms, Command& chosen);
void add_acknowledge(CLI::App& alarms, Command& chosen);
void add_close(CLI::App& alarms, Command& chosen);
void add_unattributed(CLI::App& alarms, Command& chosen);
void add_alarms_watch(CLI::App& alarms, Command& chosen);
void add_patients(CLI::App& patients, Command& chosen);
void add_devices(CLI::App& devices, Command& chosen);
void add_device_clock(CLI::App& devices, Command& chosen);
void add_quarantine(CLI::App& quarantine, Command& chosen);
void add_reconcile(CLI::App& devices, Command& chosen);

}  // namespace wardlink::command_line
