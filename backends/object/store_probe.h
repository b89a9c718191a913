// What a trial of a store found out, for the operator who chooses its settings.
//
// Plain values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

struct ProbeFinding {
  std::string what;    // "range of an object"
  std::string answer;  // "yes", or what came instead
};

struct ProbeReport {
  std::vector<ProbeFinding> findings;
  // Lines for `[storage]` of tahoe.cfg; empty when nothing works.
  std::vector<std::string> settings;
  // Everything that a node needs works.
  bool usable = false;

  void found(std::string what, std::string answer) {
    findings.push_back({std::move(what), std::move(answer)});
  }
  // What a node can do without.
  template <class T>
  void tried(std::string what, const Result<T>& result) {
    found(std::move(what), result ? "yes" : "no: " + result.error().message());
  }
  // What a node cannot do without.
  template <class T>
  void needed(std::string what, const Result<T>& result) {
    if (!result) usable = false;
    tried(std::move(what), result);
  }
};

}  // namespace sharestore
