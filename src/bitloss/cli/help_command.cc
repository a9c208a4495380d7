#include "bitloss/cli/command_docs.h"
#include "bitloss/cli/commands.h"
#include "bitloss/cli/topics.h"

namespace bitloss {
namespace {

// As `bitloss --help` and `bitloss COMMAND --help` print it.
std::string HelpOf(const CLI::App& app, const std::string& usage) {
  return app.get_formatter()->make_help(&app, usage, CLI::AppFormatMode::Normal);
}

bool IsCommand(const CLI::App* app) { return !app->get_group().empty(); }

// What there is help on.
std::vector<std::string> Subjects(const CLI::App& app) {
  std::vector<std::string> subjects;
  for (const Topic& topic : Topics()) subjects.emplace_back(topic.name);
  for (const CLI::App* command : app.get_subcommands(IsCommand)) {
    subjects.push_back(command->get_name());
  }
  subjects.insert(subjects.end(), {"help", "completion"});  // which are about to be added
  return subjects;
}

Result<int> PrintHelp(const CLI::App& app, const std::string& subject) {
  for (const Topic& topic : Topics()) {
    if (topic.name != subject) continue;
    fmt::print("{}", topic.text);
    return 0;
  }
  for (const CLI::App* command : app.get_subcommands(IsCommand)) {
    if (command->get_name() != subject) continue;
    fmt::print("{}", HelpOf(*command, "bitloss " + subject));
    return 0;
  }
  fmt::print("{}", HelpOf(app, "bitloss"));
  return 0;
}

}  // namespace

void AddHelpCommands(CLI::App& app, Action& action) {
  auto subject = std::make_shared<std::string>();
  const std::vector<std::string> subjects = Subjects(app);
  CLI::App* help = app.add_subcommand("help", "The help of a command, or a short text on a topic");
  help->add_option("TOPIC", *subject, "A topic or a command; without one, what there is")
      ->check(CLI::IsMember(subjects));
  help->callback(
      [&app, subject, &action] { action = [&app, subject] { return PrintHelp(app, *subject); }; });

  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand(
      "completion",
      "What a shell sources to complete command lines: source <(bitloss completion "
      "bash)");
  completion->add_option("SHELL", *shell, "Which shell")
      ->required()
      ->check(CLI::IsMember(CompletionShells()));
  completion->callback([&app, shell, &action] {
    action = [&app, shell]() -> Result<int> {
      BITLOSS_TRY(const std::string script, CompletionScript(DescribeCommands(app), *shell));
      fmt::print("{}", script);
      return 0;
    };
  });

  // For the build: what is installed as bitloss(1).
  CLI::App* man = app.add_subcommand("man", "The manual page, as man reads it")->group("");
  man->callback([&app, &action] {
    action = [&app]() -> Result<int> {
      fmt::print("{}", ManualPage(DescribeCommands(app)));
      return 0;
    };
  });
}

}  // namespace bitloss
