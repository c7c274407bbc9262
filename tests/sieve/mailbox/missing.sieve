require ["mailbox", "fileinto"];
fileinto "No.Such.Folder";
