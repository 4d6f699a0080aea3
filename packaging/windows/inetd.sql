-- What wixl cannot say; ci/package adds it to the package, with the program's version in place of
-- @VERSION@. Comments are whole lines.

-- The program has a version. If the package did not say so, Windows would take the one on the disk for
-- the newer one.
UPDATE `File` SET `Version` = '@VERSION@.0', `Language` = '1033' WHERE `File` = 'inetd.exe';
DELETE FROM `MsiFileHash` WHERE `File_` = 'inetd.exe';

-- The configuration is never overwritten and never removed: 256 for 64 bit, 128 and 16.
UPDATE `Component` SET `Attributes` = 400 WHERE `Component` = 'Configuration';

-- PATH of the machine: = sets it, - takes it away again, * is for everybody.
CREATE TABLE `Environment` (`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, `Value` CHAR(255) LOCALIZABLE, `Component_` CHAR(72) NOT NULL PRIMARY KEY `Environment`);
INSERT INTO `Environment` (`Environment`, `Name`, `Value`, `Component_`) VALUES ('Path', '=-*Path', '[~];[InstallFolder]', 'Program');
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('RemoveEnvironmentStrings', 3300);
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('WriteEnvironmentStrings', 5200);

-- FIREWALL=1 is as good as ADDLOCAL=Inetd,Firewall, also for somebody who becomes an administrator
-- in the middle.
UPDATE `Property` SET `Value` = 'FIREWALL;WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED' WHERE `Property` = 'SecureCustomProperties';
CREATE TABLE `Condition` (`Feature_` CHAR(38) NOT NULL, `Level` INT NOT NULL, `Condition` CHAR(255) PRIMARY KEY `Feature_`, `Level`);
INSERT INTO `Condition` (`Feature_`, `Level`, `Condition`) VALUES ('Firewall', 1, 'FIREWALL = 1');

-- Custom actions. Their types: 18 is a file of the package with arguments, 34 a command line in a
-- folder; 1024 in the transaction, 2048 as the system, 256 when it is rolled back, 64 its failure
-- does not matter. The end of a service is waited for without a limit of 30 seconds, as that of
-- StopServices is.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoServiceStop', 3410, 'inetd.exe', 'service start');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ServiceStop', 3154, 'inetd.exe', 'service stop');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoServiceUninstall', 3410, 'inetd.exe', 'service install --ensure');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ServiceUninstall', 3154, 'inetd.exe', 'service uninstall');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoServiceInstall', 3410, 'inetd.exe', 'service uninstall');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ServiceInstall', 3090, 'inetd.exe', 'service install --ensure');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ServiceStart', 3154, 'inetd.exe', 'service start');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('FirewallRemove', 3170, 'System64Folder', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="Inetd"');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('UndoFirewallAdd', 3426, 'System64Folder', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="Inetd"');
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('FirewallAdd', 3106, 'System64Folder', '"[System64Folder]netsh.exe" advfirewall firewall add rule name="Inetd" dir=in action=allow program="[InstallFolder]inetd.exe" profile=domain,private');

-- 2: it goes; 3: it comes, again perhaps.
-- An upgrade stops the service and leaves its settings alone: the account that an administrator gave
-- it, when it starts, its command line.
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoServiceStop', 'REMOVE = "ALL" AND UPGRADINGPRODUCTCODE', 1610);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ServiceStop', 'REMOVE = "ALL" AND UPGRADINGPRODUCTCODE', 1620);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoServiceUninstall', 'REMOVE = "ALL" AND NOT UPGRADINGPRODUCTCODE', 1630);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ServiceUninstall', 'REMOVE = "ALL" AND NOT UPGRADINGPRODUCTCODE', 1640);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('FirewallRemove', '$Firewall = 2 OR $Firewall = 3', 1650);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoServiceInstall', '$Program = 3 AND NOT SERVICE_START', 5810);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ServiceInstall', '$Program = 3', 5820);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('UndoFirewallAdd', '$Firewall = 3', 5830);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('FirewallAdd', '$Firewall = 3', 5840);
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ServiceStart', '$Program = 3 AND (NOT SERVICE_START OR SERVICE_START = "#2")', 5950);
