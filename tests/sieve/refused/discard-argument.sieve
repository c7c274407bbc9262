discard "it";
