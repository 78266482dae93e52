// Starts `pointsman lsp` and lets VS Code talk to it.
const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const settings = workspace.getConfiguration("pointsman");
  const config = settings.get("config");
  const run = {
    command: settings.get("path"),
    args: config ? ["lsp", "--config", config] : ["lsp"],
    options: { cwd: workspace.workspaceFolders?.[0]?.uri.fsPath },
  };
  client = new LanguageClient("pointsman", "Pointsman", { run, debug: run }, {
    documentSelector: [
      { language: "policy" },
      { language: "yaml", pattern: "**/*.policy.yaml" },
    ],
    // Files that a policy names may change outside of the editor.
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.{policy,policy.yaml,rhai}") },
  });
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(`\`${run.command} lsp\` does not start; is "pointsman.path" right? ${error.message}`);
  }
}

async function stop() {
  if (client?.isRunning()) await client.stop();
  client = undefined;
}

async function restart() {
  await stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    commands.registerCommand("pointsman.restart", restart),
    workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("pointsman") && restart()),
  );
  await start();
};

exports.deactivate = stop;
